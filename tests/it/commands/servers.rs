//! Those who are told, on the loopback: an HTTP server with prepared answers, a mail server, and certificates for both.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A certificate for `localhost`, with its key.
pub(super) struct Certificate {
    /// In PEM, for who is to trust it.
    pub(super) pem: String,
    config: Arc<ServerConfig>,
}

impl Certificate {
    pub(super) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let chain = vec![CertificateDer::from(made.cert.der().to_vec())];
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap();
        Self { pem: made.cert.pem(), config: Arc::new(config) }
    }

    fn wrap(&self, stream: TcpStream) -> StreamOwned<ServerConnection, TcpStream> {
        StreamOwned::new(ServerConnection::new(Arc::clone(&self.config)).unwrap(), stream)
    }
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// What a server was told: of HTTP a request each, of SMTP a letter each.
#[derive(Clone, Default)]
pub(super) struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    pub(super) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn add(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }
}

/// An HTTP server that gives these answers in turn, and the last one from then on. An empty answer is none at all.
pub(super) fn http(answers: &[&str], tls: Option<Certificate>) -> (u16, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, heard) = (listener.local_addr().unwrap().port(), Heard::default());
    let (answers, told) = (answers.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>(), heard.clone());
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let stream = stream.unwrap();
            let mut stream: Box<dyn Stream> = match &tls {
                Some(certificate) => Box::new(certificate.wrap(stream)),
                None => Box::new(stream),
            };
            // A client that does not trust the certificate goes away.
            let Some(request) = request(&mut stream) else { continue };
            told.add(request);
            let answer = answers[number.min(answers.len() - 1)].clone();
            if answer.is_empty() {
                thread::spawn(move || {
                    thread::sleep(Duration::from_secs(120));
                    drop(stream);
                });
                continue;
            }
            let (head, body) = answer.split_once("\n\n").unwrap_or((&answer, ""));
            let head = head.replace('\n', "\r\n");
            let _ = write!(
                stream,
                "HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.flush();
        }
    });
    (port, heard)
}

fn request(stream: &mut dyn Stream) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(format!("{head}\n{}", String::from_utf8(body).ok()?))
}

/// How a mail server talks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// TLS when it is asked for.
    StartTls,
    /// TLS from the start.
    Tls,
    /// No TLS at all.
    Plain,
    /// It refuses every receiver.
    Refusing,
}

/// A mail server with one user, `ada` with the password `moonlight-4711-secret`, who must say so where there is TLS.
pub(super) fn smtp(manner: Manner, certificate: Certificate) -> (u16, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, heard) = (listener.local_addr().unwrap().port(), Heard::default());
    let told = heard.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            // Whoever breaks off in the middle has told nothing.
            if manner == Manner::Tls {
                let _ = talk(&mut certificate.wrap(stream), manner, true, true, &told);
            } else {
                let _ = begin(stream, manner, &certificate, &told);
            }
        }
    });
    (port, heard)
}

fn begin(mut stream: TcpStream, manner: Manner, certificate: &Certificate, told: &Heard) -> Option<()> {
    if talk(&mut stream, manner, false, true, told)? {
        talk(&mut certificate.wrap(stream), manner, true, false, told)?;
    }
    Some(())
}

fn line(stream: &mut dyn Stream) -> Option<String> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while !line.ends_with(b"\r\n") {
        stream.read_exact(&mut byte).ok()?;
        line.push(byte[0]);
    }
    Some(String::from_utf8(line).ok()?.trim_end().to_owned())
}

/// One conversation; true where it is to go on within TLS.
fn talk(stream: &mut dyn Stream, manner: Manner, is_safe: bool, greets: bool, told: &Heard) -> Option<bool> {
    let say = |stream: &mut dyn Stream, text: &str| {
        stream.write_all(format!("{text}\r\n").as_bytes()).and_then(|()| stream.flush()).ok()
    };
    if greets {
        say(stream, "220 localhost ready")?;
    }
    let mut envelope = Vec::new();
    loop {
        let line = line(stream)?;
        let verb = line.split(' ').next()?.to_uppercase();
        match verb.as_str() {
            "EHLO" => {
                let offers = match (manner, is_safe) {
                    (Manner::StartTls, false) => "250-localhost\r\n250 STARTTLS",
                    (_, true) => "250-localhost\r\n250 AUTH PLAIN",
                    _ => "250 localhost",
                };
                say(stream, offers)?;
            }
            "STARTTLS" => {
                say(stream, "220 go on")?;
                return Some(true);
            }
            "AUTH" => {
                let given = STANDARD.decode(line.rsplit(' ').next()?).ok()?;
                let is_right = given == b"\0ada\0moonlight-4711-secret";
                say(stream, if is_right { "235 welcome" } else { "535 wrong password" })?;
                envelope.push(format!("login {is_right}"));
            }
            "RCPT" if manner == Manner::Refusing => say(stream, "550 no such mailbox")?,
            "MAIL" | "RCPT" => {
                envelope.push(line);
                say(stream, "250 ok")?;
            }
            "DATA" => {
                say(stream, "354 go on")?;
                let mut letter = envelope.join("\n");
                loop {
                    match self::line(stream)?.as_str() {
                        "." => break,
                        line => letter = format!("{letter}\n{line}"),
                    }
                }
                told.add(letter);
                say(stream, "250 taken")?;
            }
            "QUIT" => {
                say(stream, "221 bye")?;
                return Some(false);
            }
            _ => say(stream, "250 ok")?,
        }
    }
}
