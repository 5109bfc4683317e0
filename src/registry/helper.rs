//! Credential helpers: programs that keep credentials elsewhere than in Docker's configuration file
//! (<https://docs.docker.com/reference/cli/docker/login/#credential-helpers>).

use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::Credential;
use super::failure::RegistryError;

/// How long a helper may take: some ask a server.
const PATIENCE: Duration = Duration::from_secs(30);
/// The user that stands for "what follows is an identity token".
const TOKEN: &str = "<token>";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Asks `docker-credential-NAME` for a registry; nothing where it has none.
pub(super) async fn ask(name: &str, registry: &str) -> Result<Option<Credential>, RegistryError> {
    let program = format!("docker-credential-{name}");
    let fault = |why: String| {
        RegistryError::new("bad-credentials", format!("the credential helper {program} {why}"))
            .hint("mend it, or take it out of `credHelpers` or `credsStore` of Docker's configuration")
    };
    if name.is_empty() || name.contains(['/', '\\']) {
        return Err(fault("has no proper name".to_owned()));
    }
    let mut command = Command::new(&program);
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let asked = async {
        let mut child = command.spawn()?;
        if let Some(mut input) = child.stdin.take() {
            // One that does not read is as good as one that does: its answer counts.
            let _ = input.write_all(format!("{registry}\n").as_bytes()).await;
        }
        child.wait_with_output().await
    };
    let output = tokio::time::timeout(PATIENCE, asked)
        .await
        .map_err(|_| fault(format!("does not answer within {} s", PATIENCE.as_secs())))?
        .map_err(|error| fault(format!("cannot be run: {error}")))?;
    if !output.status.success() {
        // What it says then may hold anything. The one thing that is no fault is that it has no credentials.
        let said = String::from_utf8_lossy(&output.stdout);
        return if said.contains("credentials not found") {
            Ok(None)
        } else {
            Err(fault(format!("failed ({})", output.status)))
        };
    }
    let answer: Answer = serde_json::from_slice(&output.stdout)
        .map_err(|_| fault("answers with something that is no credential".to_owned()))?;
    Ok(Some(match answer.username.as_str() {
        TOKEN => Credential::Refresh(answer.secret),
        _ => Credential::Password { user: answer.username, password: answer.secret },
    }))
}
