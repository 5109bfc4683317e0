//! What lets visitors into a preview: read from the environment of the command for the router, and for the requests of its own gates.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;

use crate::error::{Error, ErrorKind};
use crate::gate::http::Pass;
use crate::settings::{AccessSettings, EnvironmentSettings, TargetSettings};
use crate::target::local::proxy::Access;

/// What opens an environment, as the router knows it; nothing where everybody may come.
///
/// # Errors
/// When a variable with what opens is not set.
pub fn access(environment: &EnvironmentSettings) -> Result<Option<Access>, Error> {
    let Some(settings) = settings_of(environment) else { return Ok(None) };
    let opened = Opened::read(environment, settings)?;
    let basic = opened.basic.as_ref().map(|(user, password)| (user.as_str(), password.as_str()));
    Ok(Some(Access::new(basic, opened.token.as_deref())))
}

/// What gates show at the environment's own address, and nowhere else; nothing where everybody may come.
///
/// # Errors
/// As [`access`], and when what opens cannot stand in a header.
pub fn pass(environment: &EnvironmentSettings) -> Result<Option<Pass>, Error> {
    let Some(settings) = settings_of(environment) else { return Ok(None) };
    let at = match &environment.target {
        TargetSettings::Local(local) => local.listen.to_string(),
        TargetSettings::Kubernetes(cluster) => match &cluster.url {
            Some(url) => url.clone(),
            None => return Ok(None),
        },
    };
    let opened = Opened::read(environment, settings)?;
    let text = match (&opened.basic, &opened.token) {
        (Some((user, password)), _) => format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))),
        (None, Some(token)) => format!("Bearer {token}"),
        (None, None) => return Ok(None),
    };
    let mut value = HeaderValue::from_str(&text).map_err(|_| {
        let sentence = format!("what opens {} cannot stand in a header of HTTP", environment.name);
        Error::new(ErrorKind::Usage, "bad-input", sentence)
            .hint("use letters, digits, `-` and `_` for the token")
    })?;
    value.set_sensitive(true);
    Ok(Some(Pass { at, value }))
}

fn settings_of(environment: &EnvironmentSettings) -> Option<&AccessSettings> {
    environment.preview.as_ref()?.front.access.as_ref()
}

/// The very values.
struct Opened {
    basic: Option<(String, String)>,
    token: Option<String>,
}

impl Opened {
    fn read(environment: &EnvironmentSettings, settings: &AccessSettings) -> Result<Self, Error> {
        let value = |name: &str| {
            std::env::var(name).ok().filter(|value| !value.is_empty()).ok_or_else(|| {
                let sentence = format!("`access` of {} is to be ${name}, which is not set", environment.name);
                Error::new(ErrorKind::Usage, "variable-not-set", sentence)
                    .hint(format!("set {name} in the environment of this command"))
            })
        };
        let basic = match &settings.basic {
            Some((user, password)) => Some((user.clone(), value(password)?)),
            None => None,
        };
        let token = settings.token.as_deref().map(value).transpose()?;
        Ok(Self { basic, token })
    }
}
