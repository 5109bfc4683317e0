//! A real registry that will not take an image, each for a cause of its own; what is told, and that no tag is left.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use rcgen::{CertificateParams, KeyPair, SigningKey};
use serde_json::json;
use tidegate::registry::{Pace, Package, RegistryError, push};

use super::own::Own;
use crate::push::cut::bending;
use crate::push::fake::{Fake, Manner};
use crate::push::kit::{QUICK, blob, image, repository_as, text};

/// `hunter2` of user `ada`, as `htpasswd -B` writes it.
const HTPASSWD: &str = "ada:$2y$05$abcdefghijklmnopqrstuuoXuKqgZXLiJqzfmMXDDhSFPIvxV7t8.\n";

fn package() -> Package {
    image(&[text(1, 40), text(2, 6 << 20)])
}

async fn pushed(
    address: SocketAddr,
    entry: &str,
    package: &Package,
    pace: Pace,
) -> Result<(), RegistryError> {
    let to = repository_as(address, "shop", entry, pace).await;
    push(package, &to, &["1".to_owned(), "2".to_owned()], None).await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_refused_and_no_other_word_of_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("htpasswd");
    std::fs::write(&file, HTPASSWD).unwrap();
    let more = format!("auth: {{ htpasswd: {{ realm: shop, path: {} }} }}", file.display());
    let Some(own) = Own::start("a wrong password", &more, None) else { return };
    for (entry, part) in [
        (r#"{"username": "ada", "password": "wrong-pass"}"#, "does not let these credentials push to shop"),
        (r#"{"username": "eve", "password": "hunter2"}"#, "does not let these credentials push to shop"),
        ("{}", "lets nobody push to shop without credentials"),
    ] {
        let error = pushed(own.address, entry, &package(), QUICK).await.unwrap_err();
        assert_eq!(error.code, "registry-refused", "{error}");
        assert!(error.sentence.contains(part) && !format!("{error:?}").contains("wrong-pass"), "{error:?}");
        assert!(own.tags("shop").is_empty());
    }
    pushed(own.address, r#"{"username": "ada", "password": "hunter2"}"#, &package(), QUICK).await.unwrap();
    assert_eq!(own.tags("shop").len(), 2);
}

/// A server of tokens that the registry believes, and that gives these rights, whatever is asked for.
struct Tokens {
    key: KeyPair,
    certificate: String,
}

impl Tokens {
    fn new() -> (Self, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(Vec::<String>::new()).unwrap().self_signed(&key).unwrap();
        (Self { certificate: STANDARD.encode(certificate.der()), key }, certificate.pem())
    }

    /// A JSON Web Token (RFC 7519) with the rights in it, signed by ES256.
    fn token(&self, rights: &[&str]) -> String {
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let head = part(json!({ "typ": "JWT", "alg": "ES256", "x5c": [self.certificate] }));
        let now = jiff::Timestamp::now().as_second();
        let access = json!([{ "type": "repository", "name": "shop", "actions": rights }]);
        let claims = part(json!({
            "iss": "tests", "sub": "ada", "aud": "registry.test", "jti": "1",
            "iat": now, "nbf": now - 60, "exp": now + 600, "access": access,
        }));
        let signed = format!("{head}.{claims}");
        let signature = raw(&self.key.sign(signed.as_bytes()).unwrap());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Two numbers of 32 bytes, out of their DER (RFC 7518 §3.4).
fn raw(der: &[u8]) -> Vec<u8> {
    let number = |at: usize| {
        let length = usize::from(der[at + 1]);
        let digits = &der[at + 2..at + 2 + length];
        let digits = &digits[digits.len().saturating_sub(32)..];
        ([vec![0; 32 - digits.len()], digits.to_vec()].concat(), at + 2 + length)
    };
    let (first, next) = number(2);
    let (second, _) = number(next);
    [first, second].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_may_only_read_reads_and_does_not_push() {
    let rights: Arc<Mutex<&[&str]>> = Arc::new(Mutex::new(&["pull", "push"]));
    let given = Arc::clone(&rights);
    let (tokens, bundle) = Tokens::new();
    let answer = move |asked: &crate::push::fake::Asked| {
        let token = json!({ "token": tokens.token(&given.lock().unwrap()) });
        (asked.path == "/token").then(|| (200, Vec::new(), token.to_string()))
    };
    let server = Fake::new(Manner { fault: Arc::new(answer), ..Manner::default() }).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bundle.pem");
    std::fs::write(&file, bundle).unwrap();
    let more = format!(
        "auth: {{ token: {{ realm: \"http://{}/token\", service: registry.test, issuer: tests, rootcertbundle: {} }} }}",
        server.address,
        file.display()
    );
    let Some(own) = Own::start("an account that may only read", &more, None) else { return };
    let entry = r#"{"username": "ada", "password": "hunter2"}"#;
    let first = package();
    pushed(own.address, entry, &first, QUICK).await.unwrap();

    *rights.lock().unwrap() = &["pull"];
    let error = pushed(own.address, entry, &image(&[text(3, 40)]), QUICK).await.unwrap_err();
    assert_eq!(error.code, "registry-refused", "{error}");
    assert!(error.sentence.contains("does not let these credentials push to shop"), "{error}");
    let to = repository_as(own.address, "shop", entry, QUICK).await;
    assert_eq!(
        to.digest("1").await.unwrap().unwrap(),
        first.root().unwrap().digest,
        "the tag is what it was"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_only_reads_says_so_at_once() {
    let more = "  maintenance: { readonly: { enabled: true } }";
    let Some(own) = Own::start("a registry that only reads", more, None) else { return };
    let error = pushed(own.address, "{}", &package(), QUICK).await.unwrap_err();
    assert_eq!(error.code, "registry-answer", "{error}");
    assert!(error.sentence.contains("405") && own.tags("shop").is_empty(), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_without_room_is_told_as_such_and_has_no_tag() {
    // By one stream that does not fit, and by small blobs that do not fit together.
    for layers in [vec![text(1, 40), text(2, 12 << 20)], (0..8).map(|seed| text(seed, 2 << 20)).collect()] {
        let Some(own) = Own::start("a registry without room", "", Some(8)) else { return };
        let error = pushed(own.address, "{}", &image(&layers), QUICK).await.unwrap_err();
        assert_eq!(error.code, "registry-full", "{error}");
        assert!(error.sentence.contains("has no room"), "{error}");
        assert!(own.repository("shop").is_dir() && own.tags("shop").is_empty());
    }
}

/// Where an upload lies on the registry's disk, in bytes so far.
fn arrived(own: &Own) -> u64 {
    let entries = std::fs::read_dir(own.repository("shop").join("_uploads")).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some(entry.path().join("data").metadata().ok()?.len()))
        .max()
        .unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_dies_in_mid_upload_gets_the_image_when_it_is_back_and_no_tag_before() {
    let Some(mut own) = Own::start("a registry that dies", "", None) else { return };
    // Large enough for it to die in the middle, and each part another one.
    let mut noise = vec![0; 192 << 20];
    for (number, part) in noise.chunks_mut(4096).enumerate() {
        part[..8].copy_from_slice(&number.to_le_bytes());
    }
    let package = Arc::new(image(&[blob(Bytes::from(noise))]));
    let patient = Pace { first: Duration::from_millis(100), longest: Duration::from_millis(500), ..QUICK };
    for comes_back in [true, false] {
        let (address, sent) = (own.address, Arc::clone(&package));
        let here = tokio::runtime::Handle::current();
        let pushing =
            tokio::task::spawn_blocking(move || here.block_on(pushed(address, "{}", &sent, patient)));
        while arrived(&own) < 4 << 20 {
            assert!(!pushing.is_finished(), "it was over before the registry could die");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        own.kill();
        assert!(own.tags("shop").is_empty());
        if comes_back {
            own.again();
            pushing.await.unwrap().unwrap();
            assert_eq!(own.tags("shop").len(), 2);
            // The second time it begins with nothing.
            std::fs::remove_dir_all(own.path().join("data/docker")).unwrap();
            own.again();
        } else {
            let error = pushing.await.unwrap().unwrap_err();
            assert_eq!(error.code, "registry-unreachable", "{error}");
            assert!(error.sentence.contains("9 tries") && own.tags("shop").is_empty(), "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_is_changed_on_the_way_is_not_taken() {
    let Some(own) = Own::start("content that is changed on the way", "", None) else { return };
    // One in a request by itself, one in a stream.
    for length in [3 << 20, 6 << 20] {
        let address = bending(own.address, 1 << 20).await;
        let error = pushed(address, "{}", &image(&[text(1, length)]), QUICK).await.unwrap_err();
        assert_eq!(error.code, "digest-mismatch", "{error}");
        assert!(own.tags("shop").is_empty());
    }
}
