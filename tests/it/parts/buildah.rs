//! `tidegate build` where buildah is all that there is.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use testbed::{Bed, Part, address};

use super::kube::image;
use super::{bed, run};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");

/// A secret that must be seen nowhere.
const SECRET: &str = "planted-1b2c3d4e";

/// A context, and buildah with a store of its own: of the user's nothing is read or written.
struct Yard {
    folder: TempDir,
    bed: Bed,
}

impl Yard {
    fn new(bed: Bed) -> Self {
        let yard = Self { folder: tempfile::tempdir().unwrap(), bed };
        for name in ["bin", "context"] {
            fs::create_dir(yard.path(name)).unwrap();
        }
        let store = yard.path("store");
        yard.write(
            "storage.conf",
            &format!(
                "[storage]\ndriver = \"vfs\"\nrunroot = \"{store}/run\"\ngraphroot = \"{store}/graph\"\n"
            ),
        );
        let registry = address::bed(address::REGISTRY);
        yard.write("registries.conf", &format!("[[registry]]\nlocation = \"{registry}\"\ninsecure = true\n"));
        yard.program("--tls-verify=false");
        // It looks for this in the home of whoever runs it, and then in /etc, where a machine may have none.
        fs::create_dir_all(yard.path(".config/containers")).unwrap();
        yard.write(
            ".config/containers/policy.json",
            "{ \"default\": [{ \"type\": \"insecureAcceptAnything\" }] }",
        );
        yard
    }

    /// buildah with the libraries that lie beside it. Debian's takes the registries' configuration for images, and not for lists of them:
    /// these are given `of_lists`.
    fn program(&self, of_lists: &str) {
        let debian = |path: &str| self.bed.home().debian(path).display().to_string();
        let text = format!(
            "#!/bin/sh\n[ \"$1 $2\" != 'manifest push' ] || {{ shift 2; set -- manifest push {of_lists} \"$@\"; }}\n\
             LD_LIBRARY_PATH=$(echo {}/*-linux-gnu | tr ' ' ':') CONTAINERS_STORAGE_CONF={} CONTAINERS_REGISTRIES_CONF={} \
             BUILDAH_ISOLATION=chroot exec {} \"$@\"\n",
            debian("usr/lib"),
            self.path("storage.conf"),
            self.path("registries.conf"),
            debian("usr/bin/buildah"),
        );
        self.write("bin/buildah", &text);
        fs::set_permissions(self.path("bin/buildah"), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn tried(&self, words: &[&str]) -> Output {
        let mut command = Command::new(TIDEGATE);
        command.env_clear().env("PATH", format!("{}:/usr/bin:/bin", self.path("bin")));
        command.env("HOME", self.folder.path()).env("SHOP_TOKEN", SECRET);
        command.current_dir(self.path("context")).args(["--output", "json", "build", "--context", "."]);
        command.args(words).output().unwrap()
    }

    fn answer(&self, words: &[&str], code: i32) -> (Value, String) {
        let output = self.tried(words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}{out}");
        assert!(!said.contains(SECRET) && !out.contains(SECRET));
        (serde_json::from_str(&out).unwrap(), said)
    }

    fn crane(&self, words: &[&str]) -> String {
        let mut crane = Command::new(self.bed.home().program("crane"));
        run(crane.arg(words[0]).arg("--insecure").args(&words[1..])).trim().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn buildah_builds_for_two_platforms_and_pushes_one_digest() {
    let Some(bed) = bed("a build by buildah", &[Part::Registry]).await else { return };
    let yard = Yard::new(bed);
    yard.write("context/Dockerfile", "FROM scratch\nARG WHAT\nLABEL of=$WHAT\nCOPY app /app\n");
    yard.write("context/app", "by buildah");
    let name = image(&format!("buildah-{}:1", std::process::id()));
    let other = image(&format!("buildah-{}:latest", std::process::id()));
    let tags = format!("{name}\n{other}");
    let words = [
        "--push",
        "--tags",
        &tags,
        "--platforms",
        "linux/amd64,linux/arm64",
        "--build-args",
        "WHAT=shop",
        "--labels",
        "more=than this",
        "--secret-envs",
        "token=SHOP_TOKEN",
    ];
    let (answer, said) = yard.answer(&words, 0);
    crate::commands::output::fits(&answer);
    let digest = answer["digest"].as_str().unwrap_or_else(|| panic!("{answer}\n{said}"));
    assert_eq!(answer["builder"], "buildah");
    assert_eq!(
        (yard.crane(&["digest", &name]), yard.crane(&["digest", &other])),
        (digest.into(), digest.into())
    );
    let index: Value = serde_json::from_str(&yard.crane(&["manifest", &name])).unwrap();
    let mut platforms: Vec<String> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["platform"]["architecture"].as_str().unwrap().to_owned())
        .collect();
    platforms.sort();
    assert_eq!(platforms, ["amd64", "arm64"]);
    let config: Value =
        serde_json::from_str(&yard.crane(&["config", "--platform", "linux/arm64", &name])).unwrap();
    assert_eq!(
        (&config["config"]["Labels"]["of"], &config["config"]["Labels"]["more"]),
        (&"shop".into(), &"than this".into())
    );
    assert!(!config.to_string().contains(SECRET));
    yard.crane(&["validate", "--remote", &name]);

    yard.write("context/Dockerfile", "FROM scratch\n# between\nCOPY missing /app\n");
    let (failed, _) = yard.answer(&["--push", "--tags", &name], 1);
    assert_eq!(failed["error"]["code"], "build-failed");
    let sentence = failed["error"]["sentence"].as_str().unwrap();
    assert!(sentence.starts_with("Dockerfile:3: `COPY missing /app` failed"), "{sentence}");
    assert_eq!(yard.crane(&["digest", &name]), digest, "what failed has no name");

    // It says that all is well, and has pushed nothing.
    yard.program("--tls-verify=true");
    yard.write("context/Dockerfile", "FROM scratch\nCOPY app /other\n");
    let (lied, _) = yard.answer(&["--push", "--tags", &name, "--platforms", "linux/amd64,linux/arm64"], 1);
    let sentence = lied["error"]["sentence"].as_str().unwrap();
    assert!(sentence.contains("tells no digest of what it was to push"), "{sentence}");
    assert_eq!(yard.crane(&["digest", &name]), digest);

    let (refused, _) = yard.answer(&["--sbom", "true", "--cache", "gha"], 2);
    assert_eq!(refused["error"]["code"], "builder-lacks");
}
