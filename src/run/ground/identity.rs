//! Who a job is to a cluster: its own OIDC token, in a file that is kept fresh as long as somebody works there.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use tempfile::TempPath;
use tokio::task::JoinHandle;

use crate::cluster::TokenFile;
use crate::error::{Error, ErrorKind};
use crate::github::oidc::{IdToken, Issuer};
use crate::run::action;
use crate::settings::OidcSettings;

/// The shortest time between two tokens.
const AGAIN: Duration = Duration::from_secs(10);

/// The token of this job, for one environment. The file goes with it.
#[derive(Debug)]
pub(super) struct Identity {
    file: TempPath,
    variable: Option<String>,
    renewal: JoinHandle<()>,
}

impl Identity {
    /// The token that the settings want, gotten now and renewed from then on. Nothing outside of a workflow: there the kubeconfig says who
    /// somebody is. Must be called within a runtime of tokio.
    ///
    /// # Errors
    /// `no-id-token` when the job may not have one, or GitHub gives none.
    pub(super) async fn of_job(environment: &str, settings: &OidcSettings) -> Result<Option<Self>, Error> {
        let variable = |name: &str| std::env::var(name).ok();
        if variable("GITHUB_ACTIONS").as_deref() != Some("true") {
            return Ok(None);
        }
        let missing = |why: &str, hint: &str| {
            let sentence = format!("`oidc` of {environment} wants a token of this job's, and {why}");
            Error::new(ErrorKind::Refused, "no-id-token", sentence).hint(hint)
        };
        let issuer = match Issuer::of(&variable) {
            Ok(Some(issuer)) => issuer,
            Ok(None) => {
                let why = "GitHub gives it none: it has no right to one";
                return Err(missing(
                    why,
                    "give the job `permissions: { id-token: write }`; a pull request of a fork never has it",
                ));
            }
            Err(why) => return Err(missing(&why, RETRY)),
        };
        let audience = settings.audience.clone();
        let token = issuer.issue(&audience).await.map_err(|why| missing(&why, RETRY))?;
        let folder = std::env::var_os("RUNNER_TEMP").filter(|path| !path.is_empty()).map(PathBuf::from);
        let folder = folder.filter(|path| path.is_dir()).unwrap_or_else(std::env::temp_dir);
        let file = keep(&folder, &token)
            .map_err(|error| missing(&format!("it cannot be kept in {}: {error}", folder.display()), ROOM))?;
        let renewal = tokio::spawn(renew(issuer, audience, token.expires, file.to_path_buf(), AGAIN));
        Ok(Some(Self { file, variable: settings.variable.clone(), renewal }))
    }

    /// Where the token is, and who reads it.
    #[must_use]
    pub(super) fn token_file(&self) -> TokenFile {
        TokenFile { path: self.file.to_path_buf(), variable: self.variable.clone() }
    }
}

/// What helps where GitHub gave no token.
const RETRY: &str = "run the job again; GitHub's status page tells of troubles";
/// What helps where the file could not be written.
const ROOM: &str = "look at the room and the rights of that folder";

impl Drop for Identity {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

/// Writes the token where only this user reads it. The runner hides it from here on.
fn keep(folder: &Path, token: &IdToken) -> std::io::Result<TempPath> {
    action::hide(&token.value);
    let mut file = tempfile::Builder::new().prefix("tidegate-oidc-").tempfile_in(folder)?;
    file.write_all(token.value.as_bytes())?;
    Ok(file.into_temp_path())
}

/// Renews the token when half of its time is over; whoever reads the file finds a whole one.
async fn renew(issuer: Issuer, audience: String, mut expires: Timestamp, file: PathBuf, again: Duration) {
    loop {
        let left = Duration::try_from(expires.duration_since(Timestamp::now())).unwrap_or_default();
        tokio::time::sleep((left / 2).max(again)).await;
        let renewed = match issuer.issue(&audience).await {
            Ok(token) => {
                let folder = file.parent().unwrap_or(Path::new("."));
                let kept = keep(folder, &token).and_then(|new| new.persist(&file).map_err(Into::into));
                kept.map(|()| expires = token.expires).map_err(|error| error.to_string())
            }
            Err(why) => Err(why),
        };
        if let Err(why) = renewed {
            tracing::warn!("the OIDC token of this job could not be renewed yet: {why}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// An answer with a token whose header is `name`, and that ends in a second.
    fn answer(name: &str) -> String {
        let end = Timestamp::now().as_second() + 1;
        let value = format!("{name}.{}.c2ln", URL_SAFE_NO_PAD.encode(format!("{{\"exp\":{end}}}")));
        format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{{\"value\":\"{value}\"}}")
    }

    /// Gives the answers in turn to who asks as it should.
    async fn serve(listener: TcpListener, answers: Vec<String>) {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap().to_lowercase();
            assert!(head.starts_with("get /token?api-version=2.0&audience=shop "), "{head}");
            assert!(head.contains("authorization: bearer request\r\n"), "{head}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_token_is_renewed_before_its_end_and_a_failure_is_borne() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let refusal = "HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n".to_owned();
        let server = tokio::spawn(serve(listener, vec![answer("b25l"), refusal, answer("dHdv")]));
        let variable = |name: &str| match name {
            "ACTIONS_ID_TOKEN_REQUEST_URL" => Some(format!("http://{address}/token?api-version=2.0")),
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN" => Some("request".to_owned()),
            _ => None,
        };
        let issuer = Issuer::of(&variable).unwrap().unwrap();
        let token = issuer.issue("shop").await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = keep(folder.path(), &token).unwrap();
        let read = || std::fs::read_to_string(&file).unwrap();
        assert_eq!(read(), token.value);
        let again = Duration::from_millis(20);
        let renewal = tokio::spawn(renew(issuer, "shop".into(), token.expires, file.to_path_buf(), again));
        while !read().starts_with("dHdv.") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        renewal.abort();
        server.await.unwrap();
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        drop(file);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
