//! `tidegate build` of what tidegate.yaml describes, against a registry in memory.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tidegate::run::answer::schema;

use super::assemble::program;
use super::fake::{Fake, Manner};

const CLUSTER: &str = "environments: { live: { target: { kubernetes: { manifests: deploy } } } }\n";

/// A folder with a commit in it, and tidegate.yaml with this image.
struct App(tempfile::TempDir);

impl App {
    fn new(image: &str) -> Self {
        let app = Self(tempfile::tempdir().unwrap());
        app.settings(image);
        for words in [
            &["init", "-q", "-b", "main"][..],
            &[
                "-c",
                "user.name=Ada",
                "-c",
                "user.email=ada@git.test",
                "commit",
                "-q",
                "--allow-empty",
                "-m",
                "one",
            ],
            &["tag", "v1.2.3"],
        ] {
            let mut git = Command::new("git");
            git.args(words).current_dir(app.path());
            git.env("GIT_AUTHOR_DATE", "2020-01-10T00:30:00Z")
                .env("GIT_COMMITTER_DATE", "2020-01-10T00:30:00Z");
            assert!(git.status().unwrap().success(), "{words:?}");
        }
        app
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn settings(&self, image: &str) {
        let text = format!("app: shop\nimage: {{ {image} }}\n{CLUSTER}");
        std::fs::write(self.path().join("tidegate.yaml"), text).unwrap();
    }

    /// Runs `tidegate build`; exit code, answer, all that was said.
    async fn build(&self, words: &[&str]) -> (i32, Value, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        command.arg("build").args(words).args(["--output", "json"]).current_dir(self.path());
        command
            .env("DOCKER_CONFIG", "/nowhere")
            .env_remove("DOCKER_AUTH_CONFIG")
            .env_remove("SOURCE_DATE_EPOCH");
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("GITHUB_")) {
            command.env_remove(name);
        }
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let answer: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{said}"));
        assert!(jsonschema::draft202012::new(&schema()).unwrap().is_valid(&answer), "{answer}");
        (output.status.code().unwrap(), answer, said)
    }
}

/// The one manifest of an image under a tag, and its configuration.
fn manifest(fake: &Fake, repository: &str, tag: &str) -> (Value, Value) {
    let kept = fake.kept.lock().unwrap();
    let root = &kept.tags[&(repository.to_owned(), tag.to_owned())];
    let of = |digest: &str| -> Value {
        serde_json::from_slice(&kept.manifests[&(repository.to_owned(), digest.to_owned())].1).unwrap()
    };
    let index = of(root);
    let manifest = match index["manifests"][0]["digest"].as_str() {
        Some(first) => of(first),
        None => index,
    };
    let config = manifest["config"]["digest"].as_str().unwrap().to_owned();
    let config = serde_json::from_slice(&kept.blobs[&(repository.to_owned(), config)]).unwrap();
    (manifest, config)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_becomes_an_image_with_tags_labels_and_annotations_and_the_same_bytes_each_time() {
    let fake = Fake::new(Manner::default()).await;
    let app = App::new(&format!(
        "repository: \"{}/shop\", directory: public, at: /srv, compression: none, \
         tags: [\"type=semver,pattern={{{{version}}}}\", type=sha], \
         labels: {{ org.example.team: \"a, \\\"b\\\"\" }}, annotations: [org.example.a=b]",
        fake.address
    ));
    std::fs::create_dir(app.path().join("public")).unwrap();
    std::fs::write(app.path().join("public/index.html"), "hello").unwrap();
    let (code, built, said) = app.build(&[]).await;
    assert_eq!((code, built["version"].as_str()), (0, Some("1.2.3")), "{said}");
    let names: Vec<&str> =
        built["names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!(names[0], format!("{}/shop:1.2.3", fake.address));
    assert!(fake.is_whole("shop", "1.2.3") && fake.is_whole("shop", "latest"));

    let (manifest, config) = manifest(&fake, "shop", "1.2.3");
    let labels = &config["config"]["Labels"];
    assert_eq!(labels["org.opencontainers.image.version"], "1.2.3");
    assert_eq!(
        labels["org.opencontainers.image.created"], "2020-01-10T00:30:00.000Z",
        "the commit's own time"
    );
    assert_eq!(labels["org.example.team"], "a, \"b\"");
    assert_eq!(labels["org.opencontainers.image.title"], Value::Null, "of what is not known nothing is said");
    assert_eq!(manifest["annotations"]["org.example.a"], "b");
    assert_eq!(config["created"], "2020-01-10T00:30:00Z");

    let (code, again, said) = app.build(&[]).await;
    assert_eq!((code, &again["digest"], &again["reused"]), (0, &built["digest"], &true.into()), "{said}");
    let (code, other, said) = app.build(&["--version", "v2.0.0"]).await;
    assert_eq!((code, other["version"].as_str()), (0, Some("2.0.0")), "{said}");
    assert_ne!(other["digest"], built["digest"], "its label says another version");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_rules_the_tag_is_the_version() {
    let fake = Fake::new(Manner::default()).await;
    let app = App::new(&format!("repository: \"{}/team/app\", binary: {{ linux/amd64: app }}", fake.address));
    program(app.path(), false);
    let (code, built, said) = app.build(&["--version", "feature/x+1"]).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(built["names"], serde_json::json!([format!("{}/team/app:feature-x-1", fake.address)]));
    assert_eq!(built["platforms"], serde_json::json!(["linux/amd64"]));
    let (_, config) = manifest(&fake, "team/app", "feature-x-1");
    assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/app"]));
    assert_eq!(config["config"]["User"], "65532:65532");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_made_is_told_with_the_cure() {
    let fake = Fake::new(Manner::default()).await;
    let repository = format!("repository: \"{}/shop\"", fake.address);
    let app = App::new(&repository);
    std::fs::create_dir(app.path().join("public")).unwrap();
    std::fs::write(app.path().join("text"), "hello").unwrap();
    program(app.path(), true);
    for (image, exit, code, part, cure) in [
        ("", 2, "no-image", "does not say of what", "`build`, `binary` or `directory`"),
        ("binary: none", 2, "bad-image", "none, which is not there", "build it first"),
        ("binary: public", 2, "bad-image", "public, which is a directory", "`directory`"),
        ("directory: text", 2, "bad-image", "text, which is no directory", "`binary`"),
        ("binary: text", 2, "bad-image", "is neither a program for Linux", ""),
        ("binary: app", 2, "bad-image", "needs /lib64/ld.so.2", "`image.base`"),
        (
            "binary: { linux/arm64: app }",
            2,
            "bad-image",
            "for linux/arm64, and it is a program for linux/amd64",
            "built for it",
        ),
        (
            "directory: public, tags: \"type=ref,event=pr\"",
            2,
            "no-image-tag",
            "no tag of its own for version v1.2.3",
            "type=sha",
        ),
    ] {
        app.settings(&format!("{repository}, {image}"));
        let (found, answer, said) = app.build(&[]).await;
        let error = &answer["error"];
        assert_eq!((found, error["code"].as_str()), (exit, Some(code)), "{image}: {answer}\n{said}");
        assert!(error["sentence"].as_str().unwrap().contains(part), "{answer}");
        assert!(error["hints"].to_string().contains(cure), "{answer}");
    }
    assert_eq!(fake.count("PUT"), 0);
}
