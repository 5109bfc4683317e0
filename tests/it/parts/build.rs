//! BuildKit through buildx: an image for two platforms, with its attestations.

use std::fs;

use serde_json::Value;
use testbed::Part;

use super::kube::image;
use super::{bed, run};

const DOCKERFILE: &str = "FROM scratch\nARG TARGETARCH\nCOPY pause /pause\nENV ARCHITECTURE=$TARGETARCH\nENTRYPOINT [\"/pause\"]\n";

#[tokio::test(flavor = "multi_thread")]
async fn an_image_for_two_platforms_is_built_with_attestations_pushed_and_pulled() {
    let Some(bed) = bed("an image for two platforms", &[Part::Registry]).await else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::copy(bed.home().program("pause"), folder.path().join("pause")).unwrap();
    fs::write(folder.path().join("Dockerfile"), DOCKERFILE).unwrap();

    let builder = format!("testbed-{}", std::process::id());
    let socket = format!("unix://{}", testbed::run("buildkitd.sock").display());
    run(bed.docker().args(["buildx", "create", "--name", &builder, "--driver", "remote", &socket]));
    let name = image(&format!("platforms:{}", std::process::id()));
    let metadata = folder.path().join("metadata.json");
    let built = bed
        .docker()
        .args(["buildx", "build", "--builder", &builder, "--platform", "linux/amd64,linux/arm64"])
        .args(["--provenance=mode=max", "--sbom=false", "--push", "--tag", &name, "--metadata-file"])
        .args([&metadata, folder.path()])
        .output()
        .unwrap();
    run(bed.docker().args(["buildx", "rm", "--keep-daemon", &builder]));
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));

    let told: Value = serde_json::from_slice(&fs::read(&metadata).unwrap()).unwrap();
    let digest = told["containerimage.digest"].as_str().unwrap();
    let raw = run(std::process::Command::new(bed.home().program("crane")).args([
        "manifest",
        "--insecure",
        &format!("{}@{digest}", name.rsplit_once(':').unwrap().0),
    ]));
    let index: Value = serde_json::from_str(&raw).unwrap();
    let manifests = index["manifests"].as_array().unwrap();
    let platform = |one: &Value| one["platform"]["architecture"].as_str().unwrap_or_default().to_owned();
    let architectures: Vec<String> = manifests.iter().map(platform).collect();
    assert_eq!(architectures, ["amd64", "arm64", "unknown", "unknown"], "two images, an attestation each");
    let kind = &manifests[2]["annotations"]["vnd.docker.reference.type"];
    assert_eq!(kind, "attestation-manifest");

    // Each is pulled by its platform, whole: into an archive that tells its architecture.
    for architecture in ["amd64", "arm64"] {
        let archive = folder.path().join(format!("{architecture}.tar"));
        run(bed
            .inside("skopeo")
            .unwrap()
            .args(["--insecure-policy", "--override-arch", architecture, "copy", "--src-tls-verify=false"])
            .arg(format!("docker://{name}"))
            .arg(format!("oci-archive:{}", archive.display())));
        let inspected = run(bed
            .inside("skopeo")
            .unwrap()
            .arg("inspect")
            .arg(format!("oci-archive:{}", archive.display())));
        let inspected: Value = serde_json::from_str(&inspected).unwrap();
        assert_eq!(inspected["Architecture"], architecture);
        let environment = inspected["Env"].to_string();
        assert!(environment.contains(&format!("ARCHITECTURE={architecture}")), "{environment}");
    }
    attestations_go_along(&name, digest);
}

/// What BuildKit has attached is listed, and goes along with a copy, byte for byte.
fn attestations_go_along(name: &str, digest: &str) {
    let copy = image(&format!("copied-platforms:{}", std::process::id()));
    let tidegate = |words: &[&str]| -> Value {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tidegate"));
        command.arg("image").args(words).args(["--output", "json"]).env("DOCKER_CONFIG", "/nowhere");
        serde_json::from_str(&run(&mut command)).unwrap()
    };
    assert_eq!(tidegate(&["copy", name, &copy])["digest"], digest);
    let (original, copied) = (tidegate(&["inspect", name]), tidegate(&["inspect", &copy]));
    assert_eq!(original["manifests"], copied["manifests"]);
    let all = copied["manifests"].as_array().unwrap();
    let attached: Vec<&Value> = all.iter().filter(|one| !one["about"].is_null()).collect();
    assert_eq!(attached.len(), 2, "{copied:#}");
    for one in attached {
        assert!(all.iter().any(|other| other["digest"] == one["about"]), "it is about an image of the index");
        let kinds: Vec<&str> =
            one["predicates"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(kinds.len(), 1, "{one:#}");
        assert!(kinds[0].starts_with("https://slsa.dev/provenance/"), "{one:#}");
        assert!(one["provenance"]["build_type"].as_str().unwrap().contains("buildkit"), "{one:#}");
    }
}
