//! `tidegate build` with the real BuildKit, the real registry and the real Docker Engine.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use tempfile::TempDir;
use testbed::{Bed, Part};

use super::kube::image;
use super::{bed, run};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");

/// A secret that must be seen nowhere.
const SECRET: &str = "planted-9f8e7d6c";

/// A context, and a way to build it: the testbed's client, a builder of buildx, and nothing of the user's.
struct Yard {
    folder: TempDir,
    bed: Bed,
    /// Docker's configuration; without the plugins there is no buildx.
    config: PathBuf,
    builder: Option<String>,
}

impl Yard {
    async fn new(test: &str, has_buildx: bool) -> Option<Self> {
        let parts: &[Part] = if has_buildx { &[Part::Registry] } else { &[Part::Docker, Part::Registry] };
        let bed = bed(test, parts).await?;
        let folder = tempfile::tempdir().unwrap();
        for name in ["bin", "config", "context"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        symlink(bed.home().debian("usr/bin/docker"), folder.path().join("bin/docker")).unwrap();
        let config = if has_buildx { bed.home().docker_config() } else { folder.path().join("config") };
        let mut yard = Self { folder, bed, config, builder: None };
        if has_buildx {
            let name = format!("tidegate-{}-{}", std::process::id(), test.len());
            let socket = format!("unix://{}", testbed::run("buildkitd.sock").display());
            run(yard.bed.docker().args(["buildx", "create", "--name", &name, "--driver", "remote", &socket]));
            yard.builder = Some(name);
        }
        Some(yard)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.context().join(name), text).unwrap();
    }

    fn context(&self) -> PathBuf {
        self.folder.path().join("context")
    }

    /// A shell with what it needs, as a base that no registry has to be asked for.
    fn shell(&self) {
        for program in ["/bin/sh", "/bin/cat"] {
            let listed = run(Command::new("ldd").arg(program));
            let libraries = listed.split_whitespace().filter(|word| word.starts_with('/'));
            for path in libraries.chain([program]) {
                let to = self.context().join("root").join(path.trim_start_matches('/'));
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::copy(path, to).unwrap();
            }
        }
    }

    /// The program in the context, with nothing of the user's.
    fn plain(&self, words: &[&str]) -> Command {
        let mut command = Command::new(TIDEGATE);
        let path = format!("{}:{}", self.folder.path().join("bin").display(), std::env::var("PATH").unwrap());
        command
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.folder.path())
            .env("DOCKER_CONFIG", &self.config);
        command.env("DOCKER_HOST", format!("unix://{}", testbed::run("docker.sock").display()));
        command.current_dir(self.context()).args(["--output", "json", "build"]).args(words);
        command
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.plain(&["--context", "."]);
        command.args(words);
        if let Some(builder) = &self.builder {
            command.args(["--builder", builder]);
        }
        command
    }

    fn tried(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    #[track_caller]
    fn built(&self, words: &[&str]) -> Value {
        let output = self.tried(words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stdout));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        crate::commands::output::fits(&answer);
        answer
    }

    fn crane(&self, words: &[&str]) -> String {
        run(Command::new(self.bed.home().program("crane")).arg(words[0]).arg("--insecure").args(&words[1..]))
            .trim()
            .to_owned()
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        if let Some(builder) = &self.builder {
            let _ = self.bed.docker().args(["buildx", "rm", "--keep-daemon", builder]).output();
        }
    }
}

const BOTH: [&str; 3] = ["--push", "--platforms", "linux/amd64,linux/arm64"];

#[tokio::test(flavor = "multi_thread")]
async fn two_platforms_are_built_once_and_then_only_named() {
    let Some(yard) = Yard::new("a build of two platforms", true).await else { return };
    yard.write("Dockerfile", "FROM scratch\nARG TARGETARCH\nCOPY app /app\nENV ARCHITECTURE=$TARGETARCH\n");
    yard.write("app", "first");
    let repository = image(&format!("built-{}", std::process::id()));
    let (one, two) = (format!("{repository}:1"), format!("{repository}:2"));
    let names = ["--tags", one.as_str()];
    let revision = ["--labels", "org.opencontainers.image.revision=0f1e"];

    let built = yard.built(&[&names[..], &BOTH, &revision].concat());
    let digest = built["digest"].as_str().unwrap().to_owned();
    assert_eq!(built["reused"], false);
    assert_eq!(built["platforms"], serde_json::json!(["linux/amd64", "linux/arm64"]));
    assert_eq!(built["attestations"].as_array().unwrap().len(), 2, "{built:#}");
    assert_eq!(built["attestations"][0]["predicates"][0], "https://slsa.dev/provenance/v1", "{built:#}");
    assert_eq!(yard.crane(&["digest", &one]), digest);
    let mark = format!("tidegate-{}", &built["fingerprint"].as_str().unwrap()[..32]);
    assert_eq!(yard.crane(&["digest", &format!("{repository}:{mark}")]), digest);

    // The next commit changes a label, and a name is new: with no builder that could be asked, only tags are set.
    let names = ["--tags", one.as_str(), "--tags", two.as_str()];
    let revision = ["--labels", "org.opencontainers.image.revision=2d3c"];
    let again = without_builder(&yard);
    let reused = again.built(&[&names[..], &BOTH, &revision].concat());
    assert_eq!((&reused["reused"], &reused["digest"]), (&true.into(), &digest.clone().into()));
    assert!(reused["sentence"].as_str().unwrap().starts_with("reused: "), "{reused:#}");
    assert_eq!(yard.crane(&["digest", &two]), digest);
    assert_eq!(reused["attestations"], built["attestations"]);
    let unchanged = again.built(&[&names[..], &BOTH, &revision].concat());
    assert!(unchanged["sentence"].as_str().unwrap().starts_with("unchanged: "), "{unchanged:#}");

    yard.write("app", "second");
    let changed = yard.built(&[&names[..], &BOTH, &revision].concat());
    assert_eq!(changed["reused"], false);
    assert_ne!(changed["digest"], digest);
    assert_eq!(yard.crane(&["digest", &two]), changed["digest"].as_str().unwrap());
    let forced = yard.built(&[&names[..], &BOTH, &["--rebuild"]].concat());
    assert_eq!((&forced["reused"], &forced["fingerprint"]), (&false.into(), &Value::Null));
}

/// The same context, with a builder that does not exist.
fn without_builder(yard: &Yard) -> Yard {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("bin")).unwrap();
    symlink(yard.bed.home().debian("usr/bin/docker"), folder.path().join("bin/docker")).unwrap();
    symlink(yard.context(), folder.path().join("context")).unwrap();
    let builder = Some("there-is-no-such-builder".to_owned());
    Yard { folder, bed: Bed::at(yard.bed.home().clone()), config: yard.config.clone(), builder }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_that_moves_is_built_upon_anew() {
    let Some(yard) = Yard::new("a base that moves", true).await else { return };
    let base = image(&format!("base-{}:1", std::process::id()));
    let name = image(&format!("upon-{}:1", std::process::id()));
    yard.write("Dockerfile", "FROM scratch\nCOPY app /app\n");
    yard.write("app", "base one");
    yard.built(&["--tags", &base, "--push", "--rebuild"]);
    let upon = ["--tags", name.as_str(), "--push", "--dockerfile", "Upon"];
    yard.write("Upon", &format!("ARG BASE\nFROM {base}\nCOPY --from={base} /app /copy\n"));
    yard.write(".dockerignore", "app\n");
    let first = yard.built(&upon);
    assert_eq!(yard.built(&upon)["reused"], true);
    fs::remove_file(yard.context().join(".dockerignore")).unwrap();
    yard.write("app", "base two");
    yard.built(&["--tags", &base, "--push", "--rebuild"]);
    yard.write(".dockerignore", "app\n");
    let moved = yard.built(&upon);
    assert_eq!(moved["reused"], false, "the base has another digest now");
    assert_ne!(moved["digest"], first["digest"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_instruction_is_shown_with_its_line_and_its_last_words() {
    let Some(yard) = Yard::new("a failing instruction", true).await else { return };
    yard.shell();
    yard.write(
        "Dockerfile",
        "FROM scratch\nCOPY root /\nRUN echo fine\nRUN echo before >&2 && \\\n    echo last words >&2 && exit 7\n",
    );
    let mut command = yard.command(&["--no-cache"]);
    let output = command.env("GITHUB_ACTIONS", "true").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["error"]["code"], "build-failed", "{answer:#}");
    let sentence = answer["error"]["sentence"].as_str().unwrap();
    assert!(sentence.starts_with("Dockerfile:4: `RUN echo before >&2 &&"), "{sentence}");
    assert!(
        sentence.contains("ended with exit code 7; its last lines were:\n    before\n    last words"),
        "{sentence}"
    );
    let annotation = said.lines().find(|line| line.starts_with("::error ")).unwrap();
    assert!(
        annotation.starts_with("::error file=Dockerfile,line=4,title=build-failed::Dockerfile:4: "),
        "{annotation}"
    );
    assert!(
        said.contains("RUN echo fine (") && said.contains("\nfine\n::endgroup::"),
        "what worked is folded: {said}"
    );
}

/// The command lines of all processes that have a word in them.
fn seen_with(word: &str, until: impl Fn() -> bool) -> Vec<String> {
    let mut seen = Vec::new();
    while !until() {
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if line.contains(word) && !seen.contains(&line) {
                seen.push(line);
            }
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_reaches_the_build_and_is_found_nowhere_else() {
    let Some(yard) = Yard::new("a secret", true).await else { return };
    yard.shell();
    yard.write(
        "Dockerfile",
        "FROM scratch\nCOPY root /\nRUN --mount=type=secret,id=token --mount=type=secret,id=other \\\n  cat /run/secrets/token && it=$(cat /run/secrets/token) && echo ${#it} > /length && it=$(cat /run/secrets/other) && echo ${#it} >> /length\n",
    );
    let name = image(&format!("secret-{}:1", std::process::id()));
    let mut command =
        yard.command(&["--push", "--tags", &name, "--no-cache", "--secret-envs", "other=OTHER"]);
    command.env("INPUT_SECRETS", format!("token={SECRET}")).env("OTHER", format!("{SECRET}-other"));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let watch = |word: &'static str| {
        let done = done.clone();
        std::thread::spawn(move || seen_with(word, || done.load(Ordering::Relaxed)))
    };
    let (secret, buildx) = (watch(SECRET), watch("--progress=rawjson"));
    let output = child.wait_with_output().unwrap();
    done.store(true, Ordering::Relaxed);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{err}{out}");
    assert!(
        buildx.join().unwrap().iter().any(|line| line.contains("id=token,env=TIDEGATE_SECRET_0")),
        "nobody was watched"
    );
    assert_eq!(secret.join().unwrap(), Vec::<String>::new(), "it stands in a command line");
    assert!(!out.contains(SECRET) && !err.contains(SECRET), "{err}{out}");
    assert!(err.contains("***"), "what the build wrote is hidden: {err}");

    let archive = yard.folder.path().join("image.tar");
    yard.crane(&["pull", "--platform", "linux/amd64", "--format", "oci", &name, archive.to_str().unwrap()]);
    let mut export = Command::new(yard.bed.home().program("crane"));
    let tar = export.args(["export", "--insecure", &name, "-"]).output().unwrap();
    assert!(!tar.stdout.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()), "it is in the image");
    let lengths = format!("{}\n{}\n", SECRET.len(), SECRET.len() + "-other".len());
    assert!(
        tar.stdout.windows(lengths.len()).any(|part| part == lengths.as_bytes()),
        "the build had both secrets"
    );
    for document in files(&archive) {
        let bytes = fs::read(&document).unwrap();
        assert!(!bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()), "{}", document.display());
    }
    let config = yard.crane(&["config", &name]);
    assert!(!config.contains(SECRET));
}

fn files(root: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(root).unwrap().flatten() {
        if entry.path().is_dir() { all.extend(files(&entry.path())) } else { all.push(entry.path()) }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_the_build_at_once() {
    let Some(yard) = Yard::new("a signal in a build", true).await else { return };
    yard.shell();
    yard.write("Dockerfile", "FROM scratch\nCOPY root /\nRUN echo begun && while :; do :; done\n");
    for (signal, code) in [(rustix::process::Signal::INT, 130), (rustix::process::Signal::TERM, 143)] {
        let child =
            yard.command(&["--no-cache"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_secs(6));
        let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
        let told = std::time::Instant::now();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(told.elapsed() < std::time::Duration::from_secs(10));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer["error"]["code"], "cancelled");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_engine_without_buildx_builds_and_says_what_it_lacks() {
    let Some(yard) = Yard::new("a build without buildx", false).await else { return };
    yard.write("Dockerfile", "FROM scratch\nCOPY app /app\nLABEL a=b\n");
    yard.write("app", "classic");
    let name = image(&format!("classic-{}:1", std::process::id()));
    let output = yard.tried(&["--push", "--tags", &name]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stdout));
    assert!(said.contains("there is no docker buildx here, so Docker Engine builds by itself"), "{said}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["builder"], "Docker Engine without buildx");
    assert_eq!(yard.crane(&["digest", &name]), answer["digest"].as_str().unwrap());

    let refused = yard.tried(&["--platforms", "linux/amd64,linux/arm64", "--sbom", "true", "--cache", "gha"]);
    assert_eq!(refused.status.code(), Some(2));
    let answer: Value = serde_json::from_slice(&refused.stdout).unwrap();
    let sentence = answer["error"]["sentence"].as_str().unwrap();
    assert_eq!(answer["error"]["code"], "builder-lacks");
    for lacking in ["several platforms", "sbom", "cache-to"] {
        assert!(sentence.contains(lacking), "{sentence}");
    }

    yard.shell();
    yard.write("Dockerfile", "FROM scratch\nCOPY root /\n# between\nRUN echo last words && exit 7\n");
    let failed = yard.tried(&[]);
    let answer: Value = serde_json::from_slice(&failed.stdout).unwrap();
    let sentence = answer["error"]["sentence"].as_str().unwrap();
    assert!(
        sentence.starts_with("Dockerfile:4: `RUN echo last words && exit 7` ended with exit code 7"),
        "{sentence}"
    );
    assert!(sentence.contains("    last words"), "{sentence}");
}

/// A scanner that does not look, but says what a real one says, in the form that BuildKit wants of it.
const SCANNER: &str = r#"echo '{ "_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://spdx.dev/Document",
  "predicate": { "spdxVersion": "SPDX-2.3", "name": "scanned" } }' > "$BUILDKIT_SCAN_DESTINATION/sbom.spdx.json"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_what_is_in_an_image_is_made_listed_and_copied() {
    let Some(yard) = Yard::new("an SBOM of BuildKit's", true).await else { return };
    yard.shell();
    yard.write("scan", SCANNER);
    yard.write(
        "Dockerfile",
        "FROM scratch\nCOPY root /\nCOPY scan /scan\nENTRYPOINT [\"/bin/sh\", \"/scan\"]\n",
    );
    let scanner = image(&format!("scanner-{}:1", std::process::id()));
    yard.built(&["--push", "--tags", &scanner]);
    yard.write("Dockerfile", "FROM scratch\nCOPY scan /app\n");
    let [name, copy] =
        ["scanned", "scanned-copy"].map(|name| image(&format!("{name}-{}:1", std::process::id())));
    let built = yard.built(&["--push", "--tags", &name, "--sbom", &format!("generator={scanner}")]);
    let spdx = "https://spdx.dev/Document";
    assert!(built["attestations"].to_string().contains(spdx), "{built:#}");
    let tidegate = |words: &[&str]| -> Value {
        let mut command = Command::new(TIDEGATE);
        command.arg("image").args(words).args(["--output", "json"]).env("DOCKER_CONFIG", "/nowhere");
        serde_json::from_str(&run(&mut command)).unwrap()
    };
    assert_eq!(tidegate(&["copy", &name, &copy])["digest"], built["digest"]);
    let copied = tidegate(&["inspect", &copy]);
    let about = copied["manifests"].as_array().unwrap().iter().filter(|one| !one["about"].is_null());
    let kinds: Vec<&Value> = about.flat_map(|one| one["predicates"].as_array().unwrap()).collect();
    assert!(kinds.contains(&&Value::from(spdx)) && kinds.len() == 2, "{copied:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_images_only_what_has_changed_is_built_again() {
    let Some(yard) = Yard::new("several images by buildx", true).await else { return };
    let repository = |name: &str| image(&format!("{name}-{}", std::process::id()));
    let (web, api) = (repository("web"), repository("api"));
    for part in ["web", "api"] {
        fs::create_dir(yard.context().join(part)).unwrap();
        yard.write(&format!("{part}/Dockerfile"), "FROM scratch\nCOPY page /page\n");
        yard.write(&format!("{part}/page"), "first");
    }
    let builder = yard.builder.clone().unwrap();
    let of =
        |part: &str| format!("build: {{ context: {part}, builder: {builder}, platforms: [linux/amd64] }}");
    yard.write(
        "tidegate.yaml",
        &format!(
            "app: shop\nimage: {{ repository: {web}, {} }}\nimages: {{ api: {{ repository: {api}, {} }} }}\n\
             environments: {{ production: {{ target: {{ kubernetes: {{ manifests: deploy }} }} }} }}\n",
            of("web"),
            of("api")
        ),
    );
    let build = |version: &str| -> Value {
        let output = yard.plain(&["--version", version]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        crate::commands::output::fits(&answer);
        answer
    };
    let first = build("v1");
    assert!(first["reused"] == false && first["others"][0]["reused"] == false, "{first:#}");
    yard.write("api/page", "second");
    let second = build("v2");
    assert_eq!((&second["reused"], &second["digest"]), (&true.into(), &first["digest"]), "{second:#}");
    assert_eq!(second["others"][0]["reused"], false, "{second:#}");
    assert_ne!(second["others"][0]["digest"], first["others"][0]["digest"]);
    // Both have the tag of the version.
    assert_eq!(yard.crane(&["digest", &format!("{web}:v2")]), first["digest"].as_str().unwrap());
    assert_eq!(
        yard.crane(&["digest", &format!("{api}:v2")]),
        second["others"][0]["digest"].as_str().unwrap()
    );
}
