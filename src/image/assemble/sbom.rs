//! What is in an image, as SPDX (<https://spdx.github.io/spdx-spec/v2.3/>), in a statement about the image
//! (<https://github.com/in-toto/attestation>), the way `BuildKit` attaches it.

use serde_json::{Value, json};

use super::Part;

/// What the statement is.
pub(super) const PREDICATE: &str = "https://spdx.dev/Document";

/// The statement for a manifest: the files that Tidegate put into the image, each with its sums.
pub(super) fn statement(part: &Part, manifest: &str, created: &str) -> Value {
    let hex = manifest.trim_start_matches("sha256:");
    json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": PREDICATE,
        "subject": [{ "name": part.platform.to_string(), "digest": { "sha256": hex } }],
        "predicate": document(part, hex, created),
    })
}

fn document(part: &Part, hex: &str, created: &str) -> Value {
    let id = |index: usize| format!("SPDXRef-File-{index}");
    let file = |(index, sums): (usize, &super::layer::Sums)| {
        json!({
            "SPDXID": id(index),
            "fileName": format!("./{}", sums.name),
            "checksums": [
                { "algorithm": "SHA1", "checksumValue": sums.sha1 },
                { "algorithm": "SHA256", "checksumValue": sums.sha256 },
            ],
            "licenseConcluded": "NOASSERTION",
            "copyrightText": "NOASSERTION",
        })
    };
    let files = &part.layer.files;
    let relation = |from: &str, kind: &str, to: &str| json!({ "spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to });
    let contains = (0..files.len()).map(|index| relation("SPDXRef-Image", "CONTAINS", &id(index)));
    let describes = relation("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Image");
    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": format!("image for {}", part.platform),
        "documentNamespace": format!("https://spdx.org/spdxdocs/tidegate-image-{hex}"),
        "creationInfo": {
            "created": created,
            "creators": [concat!("Tool: tidegate-", env!("CARGO_PKG_VERSION"))],
        },
        "packages": [{
            "SPDXID": "SPDXRef-Image",
            "name": "image",
            "versionInfo": format!("sha256:{hex}"),
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": false,
            "primaryPackagePurpose": "CONTAINER",
            "checksums": [{ "algorithm": "SHA256", "checksumValue": hex }],
        }],
        "files": files.iter().enumerate().map(file).collect::<Vec<_>>(),
        "relationships": std::iter::once(describes).chain(contains).collect::<Vec<_>>(),
    })
}
