//! The file that `tidegate init` writes.

/// A commented `tidegate.yaml` for an app, valid by its own parser. `app` is made into a name that is allowed; `command` is
/// the command line that starts one instance.
#[must_use]
pub fn template(app: &str, command: Option<&str>) -> String {
    let app = label(app);
    let command = quote(command.unwrap_or("./server"));
    format!(
        r##"# What Tidegate deploys, and where and how. Check it with `tidegate validate`.
# Every key is explained in docs/configuration.md.
app: "{app}"

environments:
  development:
    target:
      local:                              # processes on this machine behind the embedded router
        command: {command}
                                          # starts one instance; it must listen on the port in $PORT
        instances: 2                      # how many of them carry the traffic
        listen: "127.0.0.1:8080"          # the public address of the app
        admin: "127.0.0.1:9080"           # the supervisor's /health and /metrics
        # files: [assets/]                # what belongs to the release besides the program
        # env:
        #   LOG: info
        #   DATABASE_URL: $DATABASE_URL   # taken from the environment of `tidegate deploy`: a secret

    # Without this, an instance whose port is open is healthy.
    # health: {{ get: /health, within: 2s, every: 1s, start-within: 60s }}

    # blue-green: a whole new set, then all traffic at once. To go weight by weight instead:
    # strategy:
    #   canary:
    #     weights: [5, 25, 50]
    #     compare: {{ errors: 1%, slower-than: 500ms }}
    #     at-most: 10m
    strategy: blue-green

    # Requests that must get these answers after the deploy, or the release is taken back.
    # verify:
    #   - {{ get: /health, expect: {{ status: 200, json: {{ status: healthy }} }} }}

    keep: 10m                             # how long the former release stays for an instant way back
"##
    )
}

/// The nearest allowed name: small letters, digits and inner dashes.
fn label(app: &str) -> String {
    let mapped: String = app
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(63)
        .collect();
    let trimmed = mapped.trim_matches('-');
    if trimmed.is_empty() { "app".to_owned() } else { trimmed.to_owned() }
}

/// A YAML text in double quotes. What JSON writes is valid YAML
/// (<https://yaml.org/spec/1.2.2/#12-yaml-version-12>).
fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::template;
    use crate::settings::{TargetSettings, parse};

    #[test]
    fn is_valid_by_its_own_parser() {
        for (app, command, words) in [
            ("shop", None, vec!["./server"]),
            ("My Shop!", Some("python3 'a b.py' --x=\"1: 2\""), vec!["python3", "a b.py", "--x=1: 2"]),
            ("---", Some("./a\\ b # c"), vec![]),
            ("123", Some("./a\tb"), vec!["./a", "b"]),
        ] {
            let text = template(app, command);
            match parse(Path::new("tidegate.yaml"), &text) {
                Ok(settings) => {
                    let TargetSettings::Local(local) = &settings.environments[0].target else { panic!() };
                    assert_eq!(local.command, words);
                    assert_eq!(settings.warnings, []);
                }
                Err(error) => {
                    let only = error.diagnostics();
                    assert!(
                        words.is_empty() && only.len() == 1 && only[0].path.ends_with("command"),
                        "{error}"
                    );
                }
            }
        }
    }
}
