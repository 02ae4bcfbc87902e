//! A PDF of one page of text, so that the demonstration attaches a document that any viewer opens.

use std::fmt::Write;

/// Writes lines of ASCII text as a PDF 1.4 file with one A4 page.
pub(crate) fn page(lines: &[String]) -> Vec<u8> {
    let mut content = String::from("BT /F1 12 Tf 16 TL 72 770 Td\n");
    for line in lines {
        let _ = writeln!(content, "({}) Tj T*", escaped(line));
    }
    content.push_str("ET");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_owned(),
        format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Courier >>".to_owned(),
    ];
    let mut file = String::from("%PDF-1.4\n");
    let mut offsets = Vec::with_capacity(objects.len());
    for (index, object) in objects.iter().enumerate() {
        offsets.push(file.len());
        let _ = write!(file, "{} 0 obj\n{object}\nendobj\n", index + 1);
    }
    let table = file.len();
    let _ = write!(file, "xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for offset in offsets {
        let _ = writeln!(file, "{offset:010} 00000 n ");
    }
    let _ = write!(file, "trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n", objects.len() + 1);
    file.into_bytes()
}

/// Brackets and backslashes end or change a text; what is not printable ASCII has no glyph in the font.
fn escaped(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '(' | ')' | '\\' => text.extend(['\\', c]),
            ' '..='~' => text.push(c),
            _ => text.push('?'),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_is_where_the_table_says() {
        let file = String::from_utf8(page(&["Bill (of) lading".into(), "a\\b é".into()])).unwrap();
        assert!(file.contains("(Bill \\(of\\) lading) Tj") && file.contains("(a\\\\b ?) Tj"));
        let start: usize = file.rsplit("startxref\n").next().unwrap().lines().next().unwrap().parse().unwrap();
        let table = &file[start..];
        assert!(table.starts_with("xref\n0 6\n"));
        for (number, line) in table.lines().skip(3).take(5).enumerate() {
            assert_eq!(line.len(), 19, "an entry has 20 bytes with its line end");
            let offset: usize = line[..10].parse().unwrap();
            assert!(file[offset..].starts_with(&format!("{} 0 obj\n", number + 1)));
        }
        let stream = file.split("stream\n").nth(1).unwrap().strip_suffix("\nend").unwrap();
        assert!(file.contains(&format!("/Length {} ", stream.len())));
    }
}
