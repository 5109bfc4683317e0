//! The cache of GitHub's Actions: BuildKit keeps and finds results in the service that act has for it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use testbed::{Part, address};

use super::checkout::Checkout;
use super::kube::image;
use super::{bed, run};

const WORKFLOW: &str = r#"on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
    - uses: actions/checkout@v4
    - run: >-
        "PROGRAM" --output json build --context . --builder "$BUILDER" --cache gha --push --rebuild
        --platforms linux/amd64,linux/arm64 --tags "$NAME" 2> "$OUT"
"#;

/// The token of a job as the service of GitHub has it, in which stands what it may read and write.
fn token() -> String {
    let access = json!([{ "Scope": "refs/heads/main", "Permission": 3 }]).to_string();
    let now = jiff::Timestamp::now().as_second();
    let claims = json!({ "ac": access, "nbf": now - 60, "exp": now + 3600 });
    let parts = [json!({ "alg": "HS256", "typ": "JWT" }), claims]
        .map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    format!("{}.{}", parts.join("."), URL_SAFE_NO_PAD.encode([7; 32]))
}

#[tokio::test(flavor = "multi_thread")]
async fn results_are_found_in_the_cache_of_the_actions_for_each_platform() {
    let Some(bed) = bed("the cache of GitHub's Actions", &[Part::Registry]).await else { return };
    let checkout = Checkout::new(WORKFLOW);
    checkout.write("Dockerfile", "FROM scratch\nARG TARGETARCH\nCOPY app-$TARGETARCH /app\n");
    for architecture in ["amd64", "arm64"] {
        checkout.write(&format!("app-{architecture}"), &format!("{architecture} of {}", std::process::id()));
    }
    checkout.commit("first");
    let builder = format!("tidegate-gha-{}", std::process::id());
    let socket = format!("unix://{}", testbed::run("buildkitd.sock").display());
    run(bed.docker().args(["buildx", "create", "--name", &builder, "--driver", "remote", &socket]));
    let name = image(&format!("gha-{}:1", std::process::id()));
    let path = format!("{}:{}", bed.home().debian("usr/bin").display(), std::env::var("PATH").unwrap());
    let build = || {
        let mut act = checkout.act("push");
        // Where the testbed's BuildKit reaches it, too.
        act.args(["--no-cache-server=false", "--cache-server-addr", &address::HOST.to_string()]);
        act.env("PATH", &path);
        for (name, value) in [
            ("ACTIONS_RUNTIME_TOKEN", token()),
            ("BUILDER", builder.clone()),
            ("DOCKER_CONFIG", bed.home().docker_config().display().to_string()),
            ("NAME", name.clone()),
            ("PATH", path.clone()),
        ] {
            act.args(["--env", &format!("{name}={value}")]);
        }
        run(&mut act);
        checkout.out().join("\n")
    };
    let first = build();
    // What BuildKit itself has kept of it is gone.
    run(bed.docker().args(["buildx", "prune", "--builder", &builder, "--all", "--force"]));
    let second = build();
    run(bed.docker().args(["buildx", "rm", "--keep-daemon", &builder]));
    for architecture in ["amd64", "arm64"] {
        let copied = format!("COPY app-{architecture} /app (cached)");
        let step = |said: &str| said.contains(&copied);
        assert!(!step(&first), "{first}");
        assert!(step(&second), "{second}");
    }
}
