//! The images that the tests deploy: podinfo, and the project's own sample app at several versions, good and bad.
//!
//! They are built by the testbed's BuildKit and pushed to its registry. What the registry then holds is kept on disk under a
//! stamp of everything that went into it, so that the next start only copies it.

use std::path::{Path, PathBuf};

use futures_util::future::try_join_all;

use crate::parts::{folder, write};
use crate::process::{finish, program};
use crate::{BedError, address, home};

/// An image to build: its name and tag, the program in it, and the lines of its Dockerfile after that.
struct Image {
    name: &'static str,
    program: &'static str,
    lines: &'static [&'static str],
    foreign: bool,
}

const fn sample(name: &'static str, lines: &'static [&'static str]) -> Image {
    Image { name, program: "tidegate", lines, foreign: false }
}

const fn plain(name: &'static str, program: &'static str) -> Image {
    Image { name, program, lines: &[], foreign: false }
}

/// For how many binaries the images are kept.
const KEPT: usize = 3;

/// Every image of the testbed. The tag of a sample says what is wrong with it.
const IMAGES: [Image; 14] = [
    plain("pause:1", "pause"),
    plain("coredns:1", "coredns"),
    plain("podinfo:1.0.0", "podinfo-1.0.0"),
    plain("podinfo:2.0.0", "podinfo-2.0.0"),
    sample("sample:1.0.0", &["ENV TIDEGATE_VERSION=1.0.0"]),
    sample("sample:1.1.0", &["ENV TIDEGATE_VERSION=1.1.0"]),
    sample("sample:2.0.0", &["ENV TIDEGATE_VERSION=2.0.0"]),
    sample(
        "sample:2.0.0-slow",
        &["ENV TIDEGATE_VERSION=2.0.0-slow", "ENV SAMPLE_SLOW_SHARE=0.5", "ENV SAMPLE_SLOW_MS=700"],
    ),
    sample("sample:2.0.0-failing", &["ENV TIDEGATE_VERSION=2.0.0-failing", "ENV SAMPLE_FAIL=0.05"]),
    sample("sample:2.0.0-crashing", &["ENV TIDEGATE_VERSION=2.0.0-crashing", "ENV SAMPLE_EXIT_AFTER_MS=300"]),
    sample(
        "sample:2.0.0-never-ready",
        &["ENV TIDEGATE_VERSION=2.0.0-never-ready", "ENV SAMPLE_NEVER_READY=1"],
    ),
    sample(
        "sample:2.0.0-wrong-version",
        &["ENV TIDEGATE_VERSION=2.0.0-wrong-version", "ENV SAMPLE_HEALTH_VERSION=1.0.0"],
    ),
    sample("sample:2.0.0-deaf", &["ENV TIDEGATE_VERSION=2.0.0-deaf", "ENV SAMPLE_IGNORE_TERM=1"]),
    Image { name: "sample:2.0.0-foreign", program: "pause-foreign", lines: &[], foreign: true },
];

/// Sees to it that the registry, which runs, has every image.
pub(crate) async fn ensure() -> Result<(), BedError> {
    let data = home::run("state/registry");
    // Written last: a registry that was filled in part is filled again.
    let whole = home::run("state/registry-is-whole");
    if whole.exists() {
        return Ok(());
    }
    let kept = home::run("images").join(stamp().await?);
    if kept.exists() {
        copy(&kept, &data).await?;
        return write("state/registry-is-whole", "").map(drop);
    }
    build_all().await?;
    // Renamed when it is whole: what bears a stamp can be trusted.
    let new = home::run("images/new");
    let _ = std::fs::remove_dir_all(&new);
    copy(&data, &new).await?;
    std::fs::rename(&new, &kept).map_err(|e| BedError::file("rename to", &kept, &e))?;
    forget_old(&home::run("images"));
    write("state/registry-is-whole", "").map(drop)
}

/// Removes what was kept for older binaries, but for the last few.
fn forget_old(folder: &Path) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let age = |entry: &std::fs::DirEntry| entry.metadata().and_then(|data| data.modified()).ok();
    let mut all: Vec<_> = entries.map(|entry| (age(&entry), entry.path())).collect();
    all.sort();
    all.iter().rev().skip(KEPT).for_each(|(_, path)| drop(std::fs::remove_dir_all(path)));
}

/// All bytes that the images are made of, in one digest.
async fn stamp() -> Result<String, BedError> {
    let mut digest = program("sha256sum");
    let mut programs: Vec<&str> = IMAGES.iter().map(|image| image.program).collect();
    programs.sort_unstable();
    programs.dedup();
    digest.args(programs.iter().map(|program| path_of(program)));
    let mut all = finish(digest).await?;
    IMAGES.iter().for_each(|image| all += &format!("{}\n{}", image.name, dockerfile(image)));
    let everything = write("images-stamp", &all)?;
    let mut digest = program("sha256sum");
    digest.arg(everything);
    Ok(finish(digest).await?.chars().take(16).collect())
}

async fn build_all() -> Result<(), BedError> {
    let context = folder("state/contexts")?;
    for image in &IMAGES {
        let own = folder(&format!("state/contexts/{}", image.name))?;
        let target = own.join(image.program);
        std::fs::copy(path_of(image.program), &target).map_err(|e| BedError::file("write", &target, &e))?;
        write(&format!("state/contexts/{}/Dockerfile", image.name), &dockerfile(image))?;
    }
    try_join_all(IMAGES.iter().map(|image| build(&context, image))).await?;
    std::fs::remove_dir_all(&context).map_err(|e| BedError::file("remove", &context, &e))
}

async fn build(contexts: &Path, image: &Image) -> Result<(), BedError> {
    let context = contexts.join(image.name);
    let registry = address::bed(address::REGISTRY);
    let mut build = program("buildctl");
    build.arg("--addr").arg(format!("unix://{}", home::run("buildkitd.sock").display()));
    build.args(["build", "--progress=plain", "--frontend=dockerfile.v0"]);
    build.arg("--local").arg(format!("context={}", context.display()));
    build.arg("--local").arg(format!("dockerfile={}", context.display()));
    build.arg("--output").arg(format!("type=image,name={registry}/{},push=true", image.name));
    if image.foreign {
        build.arg("--opt").arg(format!("platform=linux/{}", foreign_architecture()));
    }
    finish(build).await.map(drop)
}

fn dockerfile(image: &Image) -> String {
    let command = match image.program {
        "tidegate" => r#"ENTRYPOINT ["/tidegate", "sample-app", "--host", "0.0.0.0"]"#.to_owned(),
        other => format!(r#"ENTRYPOINT ["/{other}"]"#),
    };
    let mut text = format!("FROM scratch\nCOPY {0} /{0}\nUSER 65532:65532\n", image.program);
    for line in image.lines {
        text.push_str(line);
        text.push('\n');
    }
    text + &command + "\n"
}

fn path_of(program: &str) -> PathBuf {
    if program == "tidegate" { home::run("app/tidegate") } else { home::run("bin").join(program) }
}

/// An architecture that is not this machine's.
fn foreign_architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "amd64" } else { "arm64" }
}

async fn copy(from: &Path, to: &Path) -> Result<(), BedError> {
    let mut copy = program("cp");
    copy.args(["-a", "--reflink=auto"]).arg(from.join(".")).arg(to);
    std::fs::create_dir_all(to).map_err(|e| BedError::file("make the folder", to, &e))?;
    finish(copy).await.map(drop)
}
