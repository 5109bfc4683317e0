//! Images of text, and who carries them.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tidegate::registry::{
    Blob, Carrier, Content, Credentials, Document, Pace, Package, Reference, Repository, Right, digest_of,
};

/// As patient as anybody, but not as slow.
pub(crate) const QUICK: Pace = Pace {
    tries: 9,
    first: Duration::from_millis(1),
    longest: Duration::from_millis(5),
    stall: Duration::from_secs(5),
};

pub(crate) fn carrier(allows_private_redirects: bool) -> Carrier {
    Carrier::new(Credentials::default(), allows_private_redirects, QUICK).unwrap()
}

/// A repository to push to, as anybody.
pub(crate) async fn repository(address: SocketAddr, name: &str) -> Repository {
    repository_as(address, name, "{}", QUICK).await
}

/// The same, as whom an entry of Docker's configuration names.
pub(crate) async fn repository_as(address: SocketAddr, name: &str, entry: &str, pace: Pace) -> Repository {
    let mut credentials = Credentials::default();
    credentials.add("a test", format!(r#"{{"auths": {{"{address}": {entry}}}}}"#).as_bytes()).unwrap();
    let reference = Reference::parse(&format!("{address}/{name}")).unwrap();
    let carrier = Carrier::new(credentials, false, pace).unwrap();
    carrier.repository(&reference, Right::Push(&[])).await.unwrap()
}

/// Text of a length, another one for each seed.
pub(crate) fn text(seed: u64, length: usize) -> Blob {
    let words = (0_u64..).map(|n| format!("{seed}:{n},"));
    let mut text = String::with_capacity(length + 32);
    for word in words {
        if text.len() >= length {
            break;
        }
        text += &word;
    }
    text.truncate(length);
    blob(text.into())
}

pub(crate) fn blob(bytes: Bytes) -> Blob {
    Blob { digest: digest_of(&bytes), size: bytes.len() as u64, content: Content::Bytes(bytes) }
}

fn named(kind: &str, digest: &str, size: u64) -> Value {
    json!({ "mediaType": kind, "digest": digest, "size": size })
}

/// An image of these layers.
pub(crate) fn image(layers: &[Blob]) -> Package {
    let config = blob(
        json!({ "os": "linux", "architecture": "amd64", "rootfs": { "type": "layers", "diff_ids": [] } })
            .to_string()
            .into(),
    );
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let layer = |blob: &Blob| named("application/vnd.oci.image.layer.v1.tar", &blob.digest, blob.size);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": kind,
        "config": named("application/vnd.oci.image.config.v1+json", &config.digest, config.size),
        "layers": layers.iter().map(layer).collect::<Vec<_>>(),
    });
    let mut document = Document::new(kind, manifest.to_string().into());
    document.blobs = std::iter::once(config).chain(layers.iter().cloned()).collect();
    Package { documents: vec![document] }
}

/// An index of these images.
pub(crate) fn index(images: &[Package]) -> Package {
    let kind = "application/vnd.oci.image.index.v1+json";
    let mut documents: Vec<Document> = images.iter().flat_map(|image| image.documents.clone()).collect();
    let all = documents.iter().map(|one| named(&one.media_type, &one.digest, one.bytes.len() as u64));
    let index = json!({ "schemaVersion": 2, "mediaType": kind, "manifests": all.collect::<Vec<_>>() });
    documents.push(Document::new(kind, index.to_string().into()));
    Package { documents }
}
