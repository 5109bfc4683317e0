//! An e-mail, by SMTP (RFC 5321) with STARTTLS (RFC 3207) or TLS from the start (RFC 8314, section 3.3).

use std::time::Duration;

use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use tokio::time::{sleep, timeout};

use super::message::cut;
use super::{Message, Secret};
use crate::report::safe;

/// One conversation with the server must end within this time.
const TALK: Duration = Duration::from_secs(15);
/// So often is tried what may pass.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);
/// A subject is one line that people read.
const SUBJECT: usize = 200;

/// How the way to the server is kept secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// TLS from within the conversation; without it nothing is sent.
    StartTls,
    /// TLS from the start.
    Tls,
    /// None.
    None,
}

/// Whom to write to, and by which server.
#[derive(Debug, Clone)]
pub struct Email {
    /// The server's name.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// The way to it.
    pub security: Security,
    /// User and password, where it wants them.
    pub login: Option<(String, Secret)>,
    /// The sender: an address, or a name and an address in angle brackets.
    pub from: String,
    /// The receivers, written likewise; at least one.
    pub to: Vec<String>,
}

/// Writes to all receivers at once.
///
/// # Errors
/// Why it was not taken, as a part of a sentence.
pub(super) async fn send(email: &Email, message: &Message, text: &str) -> Result<(), String> {
    let letter = compose(email, message, text)?;
    let transport = transport(email)?;
    let mut pause = PAUSE;
    for number in 1.. {
        let why = match timeout(TALK, transport.send(letter.clone())).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) if error.is_permanent() || error.is_client() || error.is_tls() => {
                return Err(in_words(&error));
            }
            Ok(Err(error)) => in_words(&error),
            Err(_) => format!("there was no end of the conversation within {} s", TALK.as_secs()),
        };
        if number >= TRIES || why.contains("certificate") {
            return Err(if number > 1 { format!("{why}, {number} times") } else { why });
        }
        sleep(pause).await;
        pause *= 2;
    }
    Ok(())
}

/// The letter: plain text, so that nothing in it is markup. Its headers hold no line end, whatever a version or an app is called.
fn compose(email: &Email, message: &Message, text: &str) -> Result<lettre::Message, String> {
    let mailbox = |text: &str| {
        text.parse::<Mailbox>().map_err(|error| format!("`{}` is not an address: {error}", safe::plain(text)))
    };
    let subject = cut(&safe::plain(&format!("[{}] {}", message.outcome, message.title())), SUBJECT);
    let mut builder = lettre::Message::builder()
        .from(mailbox(&email.from)?)
        .subject(subject)
        .message_id(Some(format!("<{}@tidegate.invalid>", identity(&message.id))));
    for to in &email.to {
        builder = builder.to(mailbox(to)?);
    }
    builder
        .header(ContentType::TEXT_PLAIN)
        .body(body(message, text))
        .map_err(|error| format!("the letter cannot be put together: {error}"))
}

/// Of an identity what may stand in a header.
fn identity(id: &str) -> String {
    id.chars().filter(|c| c.is_ascii_alphanumeric() || "-._".contains(*c)).collect()
}

fn body(message: &Message, text: &str) -> String {
    let mut body = format!("{}\n\n{text}\n", message.title());
    for line in &message.log {
        body.push_str("  | ");
        body.push_str(line);
        body.push('\n');
    }
    let facts = [
        ("reason", Some(&message.reason)),
        ("strategy", Some(&message.strategy)),
        ("rollout", Some(&message.rollout)),
        ("by", Some(&message.by)),
        ("version before", message.previous_version.as_ref()),
        ("address", message.url.as_ref()),
        ("log", message.run.as_ref()),
    ];
    body.push('\n');
    for (name, value) in facts.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        body.push_str(&format!("{name}: {value}\n"));
    }
    body
}

fn transport(email: &Email) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
    let tls = || {
        TlsParameters::new(email.server.clone())
            .map_err(|error| format!("TLS cannot be set up: {}", in_words(&error)))
    };
    let tls = match email.security {
        Security::StartTls => Tls::Required(tls()?),
        Security::Tls => Tls::Wrapper(tls()?),
        Security::None => Tls::None,
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&email.server)
        .port(email.port)
        .tls(tls)
        .timeout(Some(TALK));
    if let Some((user, password)) = &email.login {
        builder = builder.credentials(Credentials::new(user.clone(), password.0.clone()));
    }
    Ok(builder.build())
}

/// The innermost cause, on one line.
fn in_words(error: &lettre::transport::smtp::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let inner = cut(&safe::plain(&cause.to_string()), 200);
    if inner.contains("certificate") {
        return format!("its certificate is not trusted ({inner})");
    }
    match error.status() {
        Some(code) => format!("it answered {code} ({inner})"),
        None if error.is_client() => format!("it does not do what is asked of it: {inner}"),
        None => format!("it cannot be reached: {inner}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::tests::hostile;
    use super::*;

    fn email() -> Email {
        Email {
            server: "mail.example".to_owned(),
            port: 587,
            security: Security::None,
            login: None,
            from: "Tidegate <deploy@shop.example>".to_owned(),
            to: vec!["ops@shop.example".to_owned(), "Ada <ada@shop.example>".to_owned()],
        }
    }

    #[test]
    fn nothing_from_outside_is_a_header() {
        let evil = "v1\r\nBcc: all@evil.example\r\n\r\n<b>x</b>";
        let message = Message { version: evil.to_owned(), id: evil.to_owned(), ..hostile() };
        let letter = compose(&email(), &message, "text\r\n.\r\nMAIL FROM:<x>").unwrap();
        let raw = String::from_utf8(letter.formatted()).unwrap();
        let (headers, _) = raw.split_once("\r\n\r\n").unwrap();
        let names: Vec<&str> = headers
            .lines()
            .filter(|line| !line.starts_with([' ', '\t']))
            .filter_map(|line| line.split(':').next())
            .collect();
        assert!(names.iter().all(|name| *name != "Bcc"), "{headers}");
        assert_eq!(names.iter().filter(|name| **name == "Subject").count(), 1, "{headers}");
        assert!(headers.contains("text/plain"), "{headers}");
        assert_eq!(letter.envelope().to().len(), 2);
    }

    #[test]
    fn an_address_that_is_none_is_named() {
        let broken = Email { to: vec!["nobody".to_owned()], ..email() };
        assert!(compose(&broken, &hostile(), "x").unwrap_err().contains("`nobody` is not an address"));
    }
}
