//! Parameters by position.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::wire::Error;

/// The parameters of one request, not read yet.
pub(crate) struct Params<'a> {
    values: Vec<&'a RawValue>,
}

impl<'a> Params<'a> {
    pub(crate) fn parse(params: Option<&'a RawValue>) -> Result<Self, Error> {
        let values = match params.map(RawValue::get) {
            None | Some("null") => Vec::new(),
            Some(list) => serde_json::from_str(list)
                .map_err(|_| Error::invalid_params("non-array args: parameters are given by position, in an array"))?,
        };
        Ok(Self { values })
    }

    /// A parameter that may be left out, or null.
    pub(crate) fn optional<T: DeserializeOwned>(&self, index: usize) -> Result<Option<T>, Error> {
        let Some(value) = self.values.get(index) else { return Ok(None) };
        serde_json::from_str(value.get())
            .map_err(|error| Error::invalid_params(format!("invalid argument {index}: {error}")))
    }

    /// A parameter that must be there.
    pub(crate) fn required<T: DeserializeOwned>(&self, index: usize) -> Result<T, Error> {
        self.optional(index)?
            .ok_or_else(|| Error::invalid_params(format!("missing value for required argument {index}")))
    }

    /// Refuses more parameters than the method knows.
    pub(crate) fn at_most(&self, most: usize) -> Result<(), Error> {
        if self.values.len() > most {
            return Err(Error::invalid_params(format!("too many arguments, want at most {most}")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(text: &str) -> Result<Params<'_>, Error> {
        Params::parse(Some(serde_json::from_str(text).unwrap()))
    }

    #[test]
    fn positions_are_read_and_missing_ones_named() {
        let params = params(r#"[1, null, "x"]"#).unwrap();
        assert_eq!(params.required::<u8>(0), Ok(1));
        assert_eq!(params.optional::<u8>(1), Ok(None));
        assert_eq!(params.required::<u8>(1), Err(Error::invalid_params("missing value for required argument 1")));
        assert_eq!(params.optional::<u8>(3), Ok(None));
        assert!(params.required::<u8>(2).is_err());
        assert!(params.at_most(3).is_ok());
        assert_eq!(params.at_most(2), Err(Error::invalid_params("too many arguments, want at most 2")));
    }

    #[test]
    fn named_parameters_are_refused() {
        assert!(params(r#"{"a": 1}"#).is_err());
        assert!(params("null").unwrap().at_most(0).is_ok());
        assert!(Params::parse(None).unwrap().at_most(0).is_ok());
    }
}
