//! Migrations: numbered files, forward only, recorded with their digests.

use photinus_model::Hash;

use crate::options::Error;

/// One step of the schema.
pub(crate) struct Migration {
    /// Counted from 1, without gaps.
    pub(crate) version: i64,
    pub(crate) sql: &'static str,
}

impl Migration {
    /// What is recorded, so that an edited file is noticed.
    pub(crate) fn digest(&self) -> String {
        Hash::of(self.sql).to_string()
    }
}

/// The steps of SQLite.
pub(crate) static SQLITE: &[Migration] = &[
    Migration { version: 1, sql: include_str!("../migrations/sqlite/0001_first.sql") },
    Migration { version: 2, sql: include_str!("../migrations/sqlite/0002_times_and_paths.sql") },
    Migration { version: 3, sql: include_str!("../migrations/sqlite/0003_filters_in_order.sql") },
    Migration { version: 4, sql: include_str!("../migrations/sqlite/0004_filters.sql") },
];

/// The steps of PostgreSQL.
pub(crate) static POSTGRES: &[Migration] = &[
    Migration { version: 1, sql: include_str!("../migrations/postgres/0001_first.sql") },
    Migration { version: 2, sql: include_str!("../migrations/postgres/0002_times_and_paths.sql") },
    Migration { version: 3, sql: include_str!("../migrations/postgres/0003_filters_in_order.sql") },
    Migration { version: 4, sql: include_str!("../migrations/postgres/0004_filters.sql") },
    Migration { version: 5, sql: include_str!("../migrations/postgres/0005_cheaper_writes.sql") },
];

/// The table of what was applied, the same on both databases.
pub(crate) const TABLE: &str =
    "CREATE TABLE IF NOT EXISTS migrations (version BIGINT PRIMARY KEY, digest TEXT NOT NULL)";

/// The steps that are still to be taken, from what was applied: version and digest of each, in order.
pub(crate) fn pending(known: &'static [Migration], applied: &[(i64, String)]) -> Result<&'static [Migration], Error> {
    if let Some((found, _)) = applied.get(known.len()) {
        let highest = applied.last().map_or(*found, |(version, _)| *version);
        return Err(Error::Newer { found: highest, known: known.len().try_into().unwrap_or(i64::MAX) });
    }
    for (migration, (version, digest)) in known.iter().zip(applied) {
        if migration.version != *version || migration.digest() != *digest {
            return Err(Error::Foreign(*version));
        }
    }
    Ok(&known[applied.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    static TWO: &[Migration] = &[Migration { version: 1, sql: "a" }, Migration { version: 2, sql: "b" }];

    fn applied(sql: &[&str]) -> Vec<(i64, String)> {
        (1..).zip(sql).map(|(version, sql)| (version, Hash::of(sql).to_string())).collect()
    }

    #[test]
    fn only_what_is_missing_is_applied() {
        let versions = |applied: &[(i64, String)]| -> Vec<i64> {
            pending(TWO, applied).unwrap().iter().map(|migration| migration.version).collect()
        };
        assert_eq!(versions(&[]), [1, 2]);
        assert_eq!(versions(&applied(&["a"])), [2]);
        assert!(versions(&applied(&["a", "b"])).is_empty());
    }

    #[test]
    fn strange_databases_are_refused() {
        assert!(matches!(pending(TWO, &applied(&["a", "b", "c"])), Err(Error::Newer { found: 3, known: 2 })));
        assert!(matches!(pending(TWO, &applied(&["a", "x"])), Err(Error::Foreign(2))));
    }

    #[test]
    fn versions_count_from_one() {
        for list in [SQLITE, POSTGRES] {
            assert!(list.iter().zip(1..).all(|(migration, version)| migration.version == version));
        }
    }
}
