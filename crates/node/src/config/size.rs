//! Numbers of bytes as FireFly writes them: `800Kb`, `1.5m`, `4096`. Units are powers of 1024; case and a trailing `b` or `ib`
//! do not matter.

/// Reads one. `None`: it is not one, or does not fit.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let lower = text.trim().to_ascii_lowercase();
    let split = lower.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(lower.len());
    let (number, unit) = lower.split_at(split);
    let unit = unit.trim_start();
    let unit = unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(unit);
    let shift = match unit {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return None,
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(1 << shift);
    }
    let (whole, fraction) = number.split_once('.')?;
    if whole.is_empty() || fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) || fraction.len() > 9 {
        return None;
    }
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let units = whole.parse::<u128>().ok()?.checked_mul(scale)? + fraction.parse::<u128>().ok()?;
    u64::try_from(units.checked_mul(1 << shift)? / scale).ok()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn reads_sizes() {
        for (text, bytes) in [
            ("800Kb", Some(819_200)),
            ("800KiB", Some(819_200)),
            ("16kb", Some(16_384)),
            ("1m", Some(1 << 20)),
            ("1.5 GB", Some(3 << 29)),
            ("4096", Some(4096)),
            ("0", Some(0)),
            ("12b", Some(12)),
            ("", None),
            ("b", None),
            ("1x", None),
            (".5k", None),
            ("1.k", None),
            ("1.2.3k", None),
            ("-1", None),
            ("99999999999999p", None),
        ] {
            assert_eq!(parse(text), bytes, "{text:?}");
        }
    }
}
