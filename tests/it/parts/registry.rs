//! What the real registry says of images that are there, for this machine and for another, and of one that is not.

use std::process::Command;

use testbed::Part;
use tidegate::registry::{Credentials, Image, Registries};

use super::kube::image;
use super::{bed, run};

#[tokio::test(flavor = "multi_thread")]
async fn images_are_told_with_digest_and_platform_and_one_that_is_not_there_is_absent() {
    let Some(bed) = bed("images of a registry", &[Part::Registry]).await else { return };
    let names = ["sample:1.0.0", "sample:2.0.0-foreign", "sample:none", "nowhere:1"].map(image);
    let found = Registries::new().unwrap().probe_all(names.clone(), &Credentials::default()).await;
    let digest = |name: &str| {
        run(Command::new(bed.home().program("crane")).args(["digest", "--insecure", name])).trim().to_owned()
    };
    let (own, other) = if cfg!(target_arch = "aarch64") { ("arm64", "amd64") } else { ("amd64", "arm64") };
    for (name, architecture) in [(&names[0], own), (&names[1], other)] {
        let Image::Present { digest: told, platforms } = &found[name] else { panic!("{found:#?}") };
        assert_eq!(*told, digest(name));
        let platforms: Vec<String> = platforms.iter().map(ToString::to_string).collect();
        assert_eq!(platforms, [format!("linux/{architecture}")], "{name}");
    }
    assert_eq!((&found[&names[2]], &found[&names[3]]), (&Image::Absent, &Image::Absent));
    let repository = names[0].trim_end_matches(":1.0.0");
    let by_digest = format!("{repository}@{}", digest(&names[0]));
    let found = tidegate::registry::probe(&by_digest, &Credentials::default()).await;
    assert!(matches!(found, Image::Present { digest, .. } if by_digest.ends_with(&digest)));
}
