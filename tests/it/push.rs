//! Images given to registries and copied between them: against a registry in memory that has faults, over ways that break. The real
//! registry is pushed to in `parts`.

mod assemble;
mod command;
pub(crate) mod cut;
mod described;
pub(crate) mod fake;
mod faults;
pub(crate) mod kit;
mod property;

use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use tidegate::image::layout;
use tidegate::registry::{Content, Package, Reference, Right, push};

use fake::{Fake, Manner};
use kit::{carrier, image, index, repository, text};

#[tokio::test]
async fn an_image_is_pushed_whole_under_all_tags_and_the_next_time_not_a_byte_goes() {
    let fake = Fake::new(Manner::default()).await;
    let to = repository(fake.address, "team/shop").await;
    let package = index(&[image(&[text(1, 40), text(2, 5 << 20)]), image(&[text(1, 40), text(3, 7)])]);
    let tags = ["1.0".to_owned(), "latest".to_owned()];
    let pushed = push(&package, &to, &tags, None).await.unwrap();
    assert_eq!((pushed.uploaded, pushed.present, pushed.mounted, pushed.tags), (4, 0, 0, 2), "{pushed:?}");
    assert_eq!(pushed.sent, package.blobs().map(|blob| blob.size).sum::<u64>());
    assert!(fake.is_whole("team/shop", "1.0") && fake.is_whole("team/shop", "latest"));
    let last = fake.kept.lock().unwrap().asked.iter().rposition(|line| line.contains("/blobs/")).unwrap();
    let first = fake
        .kept
        .lock()
        .unwrap()
        .asked
        .iter()
        .position(|line| line.starts_with("PUT /v2/team/shop/manifests/1.0"))
        .unwrap();
    assert!(first > last, "a tag was set before all was there");

    let asked = ["POST", "PATCH", "PUT"].map(|method| fake.count(method));
    let again = push(&package, &to, &tags, None).await.unwrap();
    assert_eq!((again.uploaded, again.sent, again.manifests, again.tags), (0, 0, 0, 0));
    assert_eq!(["POST", "PATCH", "PUT"].map(|method| fake.count(method)), asked);
}

#[tokio::test]
async fn blobs_are_mounted_where_the_registry_does_that_and_uploaded_where_not() {
    for mounts in [true, false] {
        let fake = Fake::new(Manner { mounts, ..Manner::default() }).await;
        let package = image(&[text(1, 100), text(2, 200)]);
        let first = repository(fake.address, "a").await;
        push(&package, &first, &["1".to_owned()], None).await.unwrap();
        let second = repository(fake.address, "b").await;
        let pushed = push(&package, &second, &["1".to_owned()], Some("a")).await.unwrap();
        let expected = if mounts { (3, 0) } else { (0, 3) };
        assert_eq!((pushed.mounted, pushed.uploaded), expected);
        assert!(fake.is_whole("b", "1"));
    }
}

#[tokio::test]
async fn a_copy_has_every_manifest_and_the_same_digest() {
    let (from, to) = (Fake::new(Manner::default()).await, Fake::new(Manner::default()).await);
    let package = index(&[image(&[text(1, 40)]), image(&[text(2, 6 << 20)]), image(&[text(3, 3)])]);
    push(&package, &repository(from.address, "stage").await, &["1".to_owned()], None).await.unwrap();

    let source = Reference::parse(&format!("{}/stage:1", from.address)).unwrap();
    let source = Arc::new(carrier(false).repository(&source, Right::Pull).await.unwrap());
    let found = Package::of(&source, "1").await.unwrap();
    assert_eq!(found.documents.len(), 4);
    let pushed = push(&found, &repository(to.address, "live").await, &["1".to_owned()], None).await.unwrap();
    assert_eq!(pushed.digest, package.root().unwrap().digest);
    assert!(to.is_whole("live", "1"));
    let absent = Package::of(&source, "2").await.unwrap_err();
    assert_eq!(absent.code, "image-absent");
}

#[tokio::test]
async fn content_that_changes_on_the_way_from_a_registry_is_not_passed_on() {
    let (from, to) = (Fake::new(Manner::default()).await, Fake::new(Manner::default()).await);
    let package = image(&[text(1, 40)]);
    push(&package, &repository(from.address, "a").await, &["1".to_owned()], None).await.unwrap();
    for blob in from.kept.lock().unwrap().blobs.values_mut().filter(|blob| blob.len() == 40) {
        *blob = Bytes::from("x".repeat(40));
    }
    let source = Reference::parse(&format!("{}/a:1", from.address)).unwrap();
    let source = Arc::new(carrier(false).repository(&source, Right::Pull).await.unwrap());
    let found = Package::of(&source, "1").await.unwrap();
    let told = push(&found, &repository(to.address, "b").await, &["1".to_owned()], None).await.unwrap_err();
    assert_eq!(told.code, "digest-mismatch", "{told}");
    assert!(to.kept.lock().unwrap().tags.is_empty());
}

/// A layout as a directory, with all of a package in it.
fn write_layout(package: &Package, folder: &std::path::Path) {
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let put = |digest: &str, bytes: &[u8]| std::fs::write(blobs.join(&digest[7..]), bytes).unwrap();
    for document in &package.documents {
        put(&document.digest, &document.bytes);
    }
    for blob in package.blobs() {
        let Content::Bytes(bytes) = &blob.content else { panic!() };
        put(&blob.digest, bytes);
    }
    let root = package.root().unwrap();
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": [
        { "mediaType": root.media_type, "digest": root.digest, "size": root.bytes.len() },
    ] });
    std::fs::write(folder.join("index.json"), index.to_string()).unwrap();
    std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion": "1.0.0"}"#).unwrap();
}

#[tokio::test]
async fn layouts_are_pushed_as_they_are_as_a_directory_and_as_a_tar() {
    let folder = tempfile::tempdir().unwrap();
    let package = index(&[image(&[text(1, 40), text(2, 700)]), image(&[text(3, 1000)])]);
    let layout = folder.path().join("layout");
    write_layout(&package, &layout);
    let tar = folder.path().join("image.tar");
    let made =
        std::process::Command::new("tar").arg("-C").arg(&layout).arg("-cf").arg(&tar).arg(".").status();
    assert!(made.unwrap().success());
    for source in [&layout, &tar] {
        assert!(layout::is_layout(source));
        let fake = Fake::new(Manner::default()).await;
        let found = layout::open(source).await.unwrap();
        let to = repository(fake.address, "shop").await;
        let pushed = push(&found, &to, &["1".to_owned()], None).await.unwrap();
        assert_eq!(pushed.digest, package.root().unwrap().digest);
        assert!(fake.is_whole("shop", "1"));
    }
    // A file that is not what its name says is found out before the registry has it.
    let longest = package.blobs().max_by_key(|blob| blob.size).unwrap();
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .open(layout.join("blobs/sha256").join(&longest.digest[7..]))
        .unwrap();
    file.write_all(b"other").unwrap();
    let fake = Fake::new(Manner::default()).await;
    let found = layout::open(&layout).await.unwrap();
    let to = repository(fake.address, "shop").await;
    let told = push(&found, &to, &["1".to_owned()], None).await.unwrap_err();
    assert_eq!(told.code, "digest-mismatch", "{told}");
    assert!(fake.kept.lock().unwrap().tags.is_empty());
    std::fs::remove_file(layout.join("blobs/sha256").join(&longest.digest[7..])).unwrap();
    let told = layout::open(&layout).await.unwrap_err();
    assert!(told.code == "bad-image" && told.sentence.contains("cannot be read"), "{told}");
}
