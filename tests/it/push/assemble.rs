//! Images that Tidegate assembles: the same bytes each time, nobody's root, with the list of what is in them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tidegate::image::assemble::{NOBODY, Platform, Recipe, assemble};
use tidegate::registry::{Blob, Content, Package, digest_of, push};

use super::fake::{Fake, Manner};
use super::kit::repository;

fn recipe(source: &Path) -> Recipe {
    Recipe {
        sources: vec![source.to_owned()],
        at: None,
        entrypoint: Vec::new(),
        user: NOBODY.to_owned(),
        created: 0,
        is_compressed: true,
        has_sbom: true,
        platform: Platform::here(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
    }
}

fn made(recipe: &Recipe) -> Package {
    assemble(recipe, &|_| Ok(None)).unwrap()
}

fn bytes(blob: &Blob) -> Vec<u8> {
    match &blob.content {
        Content::Bytes(bytes) => bytes.to_vec(),
        Content::File { file, at, .. } => {
            let mut bytes = vec![0; usize::try_from(blob.size).unwrap()];
            file.read_exact_at(&mut bytes, *at).unwrap();
            bytes
        }
        Content::Remote(_) => panic!(),
    }
}

/// What `tar` says is in the layer of the first manifest, and its configuration.
fn first(package: &Package) -> (BTreeMap<String, String>, Value) {
    let document = &package.documents[0];
    let config: Value = serde_json::from_slice(&bytes(&document.blobs[0])).unwrap();
    let packed = bytes(&document.blobs[1]);
    assert_eq!(digest_of(&packed), document.blobs[1].digest);
    let mut tar = Vec::new();
    match packed.starts_with(&[0x1f, 0x8b]) {
        true => drop(flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut tar).unwrap()),
        false => tar = packed,
    }
    assert_eq!(Value::from(digest_of(&tar)), config["rootfs"]["diff_ids"][0]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("layer.tar");
    fs::write(&file, &tar).unwrap();
    let listed =
        std::process::Command::new("tar").arg("--numeric-owner").arg("-tvf").arg(&file).output().unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        (words[5..].join(" "), format!("{} {}", words[0], words[1]))
    };
    (String::from_utf8(listed.stdout).unwrap().lines().map(line).collect(), config)
}

/// The header of a program for Linux on amd64, which asks for no loader, and something after it.
pub(super) fn program(folder: &Path, loader: bool) -> PathBuf {
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(18, 0);
    bytes.extend(62_u16.to_le_bytes());
    bytes.resize(32, 0);
    bytes.extend(64_u64.to_le_bytes());
    bytes.resize(54, 0);
    bytes.extend(56_u16.to_le_bytes());
    bytes.extend(u16::from(loader).to_le_bytes());
    bytes.resize(64, 0);
    // A program header that says where the loader's name is.
    bytes.extend(3_u32.to_le_bytes());
    bytes.resize(64 + 8, 0);
    bytes.extend(120_u64.to_le_bytes());
    bytes.resize(64 + 32, 0);
    bytes.extend(15_u64.to_le_bytes());
    bytes.resize(120, 0);
    bytes.extend(b"/lib64/ld.so.2\0");
    bytes.resize(300_000, b'x');
    let path = folder.join("app");
    fs::write(&path, bytes).unwrap();
    path
}

/// A directory with what is awkward in one.
fn site(folder: &Path) {
    fs::create_dir_all(folder.join("deep/er")).unwrap();
    fs::write(folder.join("index.html"), "hello").unwrap();
    fs::write(folder.join("deep/er/empty"), "").unwrap();
    fs::write(folder.join("deep/größe.txt"), "x".repeat(2_500_000)).unwrap();
    fs::write(folder.join(format!("{}.txt", "long".repeat(40))), "long").unwrap();
    fs::write(folder.join("run.sh"), "#!/bin/sh").unwrap();
    fs::set_permissions(folder.join("run.sh"), fs::Permissions::from_mode(0o700)).unwrap();
    symlink("index.html", folder.join("start")).unwrap();
}

#[test]
fn the_same_files_make_the_same_bytes_wherever_and_whenever() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    site(one.path());
    site(other.path());
    fs::set_permissions(other.path().join("index.html"), fs::Permissions::from_mode(0o600)).unwrap();
    let first = made(&recipe(one.path()));
    let second = made(&recipe(other.path()));
    assert_eq!(first.root().unwrap().digest, second.root().unwrap().digest);
    let later = made(&Recipe { created: 1_700_000_000, ..recipe(one.path()) });
    assert_ne!(first.root().unwrap().digest, later.root().unwrap().digest);
}

#[test]
fn a_directory_is_laid_down_whole_with_fixed_owners_and_modes() {
    let folder = tempfile::tempdir().unwrap();
    site(folder.path());
    for is_compressed in [true, false] {
        let package = made(&Recipe { is_compressed, at: Some("/srv/www".into()), ..recipe(folder.path()) });
        let (found, config) = first(&package);
        let long = format!("srv/www/{}.txt", "long".repeat(40));
        for (name, wanted) in [
            ("srv/", "drwxr-xr-x 0/0"),
            ("srv/www/", "drwxr-xr-x 0/0"),
            ("srv/www/index.html", "-rw-r--r-- 0/0"),
            ("srv/www/run.sh", "-rwxr-xr-x 0/0"),
            ("srv/www/deep/er/empty", "-rw-r--r-- 0/0"),
            ("srv/www/start -> index.html", "lrwxrwxrwx 0/0"),
            (long.as_str(), "-rw-r--r-- 0/0"),
        ] {
            assert_eq!(found.get(name).map(String::as_str), Some(wanted), "{name} of {found:#?}");
        }
        assert_eq!(found.len(), 10, "{found:#?}");
        assert_eq!(
            (&config["config"]["User"], &config["config"]["WorkingDir"]),
            (&NOBODY.into(), &"/srv/www".into())
        );
    }
}

#[tokio::test]
async fn a_program_is_an_image_with_its_list_of_contents_attached() {
    let folder = tempfile::tempdir().unwrap();
    let own = program(folder.path(), false);
    let package = made(&Recipe { at: Some("/bin/app".into()), ..recipe(&own) });
    let (found, config) = first(&package);
    assert_eq!(found["bin/app"], "-rwxr-xr-x 0/0");
    assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/bin/app"]));
    assert_eq!(config["architecture"], "amd64");
    let statement: Value = serde_json::from_slice(&bytes(&package.documents[1].blobs[1])).unwrap();
    assert_eq!(statement["subject"][0]["digest"]["sha256"], package.documents[0].digest[7..]);
    let file = &statement["predicate"]["files"][0];
    assert_eq!(file["fileName"], "./bin/app");
    let sum = file["checksums"][1]["checksumValue"].as_str().unwrap();
    assert_eq!(format!("sha256:{sum}"), digest_of(&fs::read(&own).unwrap()));

    let fake = Fake::new(Manner::default()).await;
    let to = repository(fake.address, "app").await;
    push(&package, &to, &["1".to_owned()], None).await.unwrap();
    assert!(fake.is_whole("app", "1"));
}

#[test]
fn what_cannot_be_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("run.sh");
    fs::write(&script, "#!/bin/sh").unwrap();
    let told = assemble(&recipe(&script), &|_| Ok(None)).unwrap_err();
    assert!(told.sentence.contains("is neither a program for Linux, nor an OCI layout"), "{told}");
    let own = program(folder.path(), true);
    let told = assemble(&recipe(&own), &|_| Ok(None)).unwrap_err();
    assert!(
        told.sentence.contains("needs /lib64/ld.so.2, which") && told.hint.unwrap().contains("--base"),
        "{told}"
    );
    let own = program(folder.path(), false);
    let twice = Recipe { sources: vec![own.clone(), own], ..recipe(folder.path()) };
    let told = assemble(&twice, &|_| Ok(None)).unwrap_err();
    assert!(told.sentence.contains("is the second one for linux/amd64"), "{told}");
}
