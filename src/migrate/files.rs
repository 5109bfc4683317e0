//! Migrations as files: which there are, in which order, and what each does to older releases.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use sqlx::migrate::Migration as Script;

use super::Unstarted;
use crate::rollout::Phase;
use crate::rollout::migration::Named;

mod marks;

/// One migration that can be run.
#[derive(Debug, Clone)]
pub struct File {
    /// What sqlx runs, and knows it by: number, description, text, checksum.
    pub script: Script,
    /// When it runs.
    pub phase: Phase,
    /// Where it lies.
    pub path: PathBuf,
}

impl File {
    /// Its name.
    #[must_use]
    pub fn named(&self) -> Named {
        Named { version: self.script.version, description: self.script.description.to_string() }
    }
}

/// The migrations of a directory.
#[derive(Debug, Clone)]
pub struct Files {
    /// In the order in which they run.
    pub all: Vec<File>,
    /// Digest over numbers, phases and texts.
    pub digest: String,
}

impl Files {
    /// Those that the ledger does not have.
    pub fn pending<'a>(&'a self, applied: &'a [i64]) -> impl Iterator<Item = &'a File> {
        self.all.iter().filter(|file| !applied.contains(&file.script.version))
    }

    /// Whether any of them is of that phase.
    #[must_use]
    pub fn has(&self, phase: Phase) -> bool {
        self.all.iter().any(|file| file.phase == phase)
    }
}

/// Reads the migrations of a directory, and looks for what is wrong with them. No database is asked.
///
/// # Errors
/// When the directory cannot be read or has none; when a file's name, mark or text does not do, with file and line.
pub fn read(directory: &Path) -> Result<Files, Unstarted> {
    let found = sqlx::migrate::resolve_blocking(directory)
        .map_err(|error| Unstarted::fatal("migrations-unreadable", error.to_string()))?;
    let mut all = Vec::new();
    let mut names: BTreeMap<i64, PathBuf> = BTreeMap::new();
    for (script, path) in found {
        if script.migration_type.is_down_migration() {
            continue;
        }
        if let Some(other) = names.insert(script.version, path.clone()) {
            let (one, two) = (name(&other), name(&path));
            let sentence = format!("{one} and {two} in {} have the same number", directory.display());
            return Err(
                Unstarted::fatal("migrations-clash", sentence).hint("give one of them another number")
            );
        }
        let phase = marks::phase(&script.sql).map_err(|wrong| {
            let place = format!("{}:{}", path.display(), wrong.line);
            Unstarted::fatal("migration-mark", format!("{place}: {}", wrong.sentence)).hint(wrong.help)
        })?;
        all.push(File { script, phase, path });
    }
    if all.is_empty() {
        let sentence = format!("{} has no migration", directory.display());
        return Err(Unstarted::fatal("no-migrations", sentence)
            .hint("a file is called NUMBER_NAME.sql or NUMBER_NAME.up.sql, such as 0001_orders.sql"));
    }
    let digest = digest(&all);
    Ok(Files { all, digest })
}

fn digest(files: &[File]) -> String {
    let mut sum = Sha256::new();
    for file in files {
        sum.update(format!(
            "{} {} {}\n",
            file.script.version,
            file.phase,
            hex::encode(&file.script.checksum)
        ));
    }
    format!("sha256:{}", hex::encode(sum.finalize()))
}

fn name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    fn wrong(files: &[(&str, &str)]) -> Unstarted {
        read(directory(files).path()).unwrap_err()
    }

    #[test]
    fn they_run_by_number_and_nothing_is_taken_down() {
        let folder = directory(&[
            ("0010_late.sql", "select 1"),
            ("9_early.up.sql", "select 1"),
            ("9_early.down.sql", "drop table a"),
            ("11_away.sql", "-- tidegate: contract\ndrop table a"),
            ("notes.txt", ""),
        ]);
        let files = read(folder.path()).unwrap();
        let seen: Vec<_> = files.all.iter().map(|file| (file.named().to_string(), file.phase)).collect();
        let expand = Phase::Expand;
        assert_eq!(
            seen,
            [
                ("9 (early)".into(), expand),
                ("10 (late)".into(), expand),
                ("11 (away)".into(), Phase::Contract)
            ]
        );
        let pending: Vec<_> = files.pending(&[9, 11]).map(|file| file.script.version).collect();
        assert_eq!(pending, [10]);
    }

    #[test]
    fn the_digest_is_of_all_that_runs() {
        let of = |text: &str| read(directory(&[("1_a.sql", text)]).path()).unwrap().digest;
        assert_eq!(of("select 1"), of("select 1"));
        assert_ne!(of("select 1"), of("select 2"));
        assert_ne!(of("select 1"), of("-- tidegate: contract\nselect 1"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        assert_eq!(wrong(&[]).code, "no-migrations");
        assert!(wrong(&[("1_a.sql", ""), ("01_b.sql", "")]).sentence.contains("1_a.sql"));
        assert!(wrong(&[("x_a.sql", "")]).sentence.contains("x_a.sql"));
        let mark = wrong(&[("1_a.sql", "-- hello\n-- tidegate: shrink\n")]);
        assert!(mark.sentence.contains("1_a.sql:2: "), "{mark:?}");
        let unmarked = wrong(&[("1_a.sql", "select 1;\nALTER TABLE a\n  DROP COLUMN b;")]);
        assert!(unmarked.sentence.contains("1_a.sql:3: "), "{unmarked:?}");
        assert!(read(Path::new("/nowhere/at/all")).unwrap_err().sentence.contains("/nowhere/at/all"));
    }
}
