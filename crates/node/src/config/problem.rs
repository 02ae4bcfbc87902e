//! What is wrong with a configuration, and where.

use std::fmt;

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A position in the file.
    File {
        /// Counted from one.
        line: usize,
        /// Counted from one, in characters.
        column: usize,
    },
    /// An environment variable.
    Variable(String),
}

impl Place {
    /// The beginning of the file.
    pub(crate) const START: Self = Self::File { line: 1, column: 1 };
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { line, column } => write!(f, "line {line}, column {column}"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// One thing that is wrong, in words that name the next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it was written.
    pub place: Place,
    /// Path of the setting, such as `http.port`. Empty: the file as a whole.
    pub path: String,
    /// What is wrong; completes "the setting …".
    pub text: String,
}

impl Problem {
    pub(crate) fn whole(text: impl Into<String>) -> Self {
        Self::of("", Place::START, text)
    }

    pub(crate) fn of(path: impl Into<String>, place: Place, text: impl Into<String>) -> Self {
        Self { place, path: path.into(), text: text.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "the file" } else { &self.path };
        write!(f, "{}: {path} {}", self.place, self.text)
    }
}

/// Everything that is wrong with one file, in the order of its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}  {problem}")?;
        }
        Ok(())
    }
}
