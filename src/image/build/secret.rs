//! Secrets on their way to a builder: by variables of its process alone, or by files that nobody else may read. Never among its words.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{Order, Secret, Source};

/// A variable may not be longer than 128 KiB (execve(2), `MAX_ARG_STRLEN`): above this a value goes into a file.
const LONGEST: usize = 64 << 10;

/// Secrets, laid ready.
#[derive(Debug, Default)]
pub(super) struct Laid {
    /// Of each: where it is, as buildx and buildah take it.
    pub(super) specs: Vec<String>,
    /// Variables for the process.
    pub(super) variables: Vec<(String, String)>,
}

/// Lays the secrets ready. Files go into this directory, which is for the caller to take away.
pub(super) fn lay(order: &Order, directory: &Path) -> io::Result<Laid> {
    let mut laid = Laid::default();
    for (number, secret) in order.secrets.iter().enumerate() {
        let mut file = None;
        if let Source::Value(value) = &secret.from {
            if value.len() > LONGEST {
                let path = directory.join(format!("secret-{number}"));
                fs::write(&path, "")?;
                fs::set_permissions(&path, Permissions::from_mode(0o600))?;
                fs::write(&path, value)?;
                file = Some(path.display().to_string());
            } else {
                laid.variables.push((variable(number), value.clone()));
            }
        }
        laid.specs.push(spec(secret, number, file.as_deref()));
    }
    Ok(laid)
}

fn variable(number: usize) -> String {
    format!("TIDEGATE_SECRET_{number}")
}

/// Where a secret is, as buildx takes it.
pub(super) fn spec(secret: &Secret, number: usize, file: Option<&str>) -> String {
    let at = match (&secret.from, file) {
        (Source::Value(_), Some(path)) => format!("src={path}"),
        (Source::Value(_), None) => format!("env={}", variable(number)),
        (Source::Variable(name), _) => format!("env={name}"),
        (Source::File(path), _) => format!("src={path}"),
    };
    let fields = [format!("id={}", secret.id), at];
    fields.map(|field| quoted(&field)).join(",")
}

/// A field of a record whose commas and quotes are its own.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

/// The lines of secrets, which are not to stand in any log.
pub(super) fn hidden(order: &Order) -> Vec<String> {
    const SHORTEST: usize = 3;
    let values = order.secrets.iter().filter_map(|secret| match &secret.from {
        Source::Value(value) => Some(value.clone()),
        Source::Variable(name) => std::env::var(name).ok(),
        Source::File(path) => fs::read_to_string(path).ok(),
    });
    let mut lines: Vec<String> = values
        .flat_map(|value| value.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>())
        .collect();
    lines.retain(|line| line.len() >= SHORTEST);
    // A line that holds another one goes first.
    lines.sort_by_key(|line| std::cmp::Reverse(line.len()));
    lines.dedup();
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(secrets: &[(&str, Source)]) -> Order {
        let secrets = secrets.iter().map(|(id, from)| Secret { id: (*id).to_owned(), from: from.clone() });
        Order { secrets: secrets.collect(), ..Order::default() }
    }

    #[test]
    fn a_value_goes_by_a_variable_and_a_long_one_by_a_file_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let long = "x".repeat(LONGEST + 1);
        let order = order(&[
            ("a", Source::Value("one".to_owned())),
            ("b", Source::Value(long.clone())),
            ("c", Source::Variable("TOKEN".to_owned())),
            ("d", Source::File("/s,1".to_owned())),
        ]);
        let laid = lay(&order, folder.path()).unwrap();
        let path = folder.path().join("secret-1");
        assert_eq!(laid.specs[0], "id=a,env=TIDEGATE_SECRET_0");
        assert_eq!(laid.specs[1], format!("id=b,src={}", path.display()));
        assert_eq!(laid.specs[2..], ["id=c,env=TOKEN", "id=d,\"src=/s,1\""]);
        assert_eq!(laid.variables, [("TIDEGATE_SECRET_0".to_owned(), "one".to_owned())]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(&path).unwrap(), long);
    }

    #[test]
    fn each_line_of_a_value_is_hidden() {
        let order = order(&[("a", Source::Value("abc\n  abcdef \nx\n".to_owned()))]);
        assert_eq!(hidden(&order), ["abcdef", "abc"]);
    }
}
