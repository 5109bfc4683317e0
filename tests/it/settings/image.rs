//! `image` as it is read.

use tidegate::settings::{AssemblySettings, CacheKind, ImageSource, SecretSource, Severity};

use super::good;

#[test]
fn everything_of_an_image_that_is_assembled_is_read() {
    let settings = good("image");
    assert_eq!(settings.warnings, []);
    let folder = settings.file.parent().unwrap();
    let image = settings.image.as_ref().unwrap();
    assert_eq!(image.repository, "registry.example.com:5000/acme/shop");
    assert_eq!(image.tags.as_deref(), Some("type=semver,pattern={{version}}\ntype=sha"));
    assert_eq!(image.flavor, "latest=false\nprefix=v\n");
    assert_eq!(image.labels, "\"org.example.team=a, \"\"b\"\" c\"\n\"org.example.size=3\"");
    assert_eq!(image.annotations, "org.example.a=b\n-org.opencontainers.image.url");
    let expected = AssemblySettings {
        sources: vec![
            (Some("linux/amd64".to_owned()), folder.join("target/amd64/shop")),
            (Some("linux/arm64".to_owned()), folder.join("target/arm64/shop")),
        ],
        is_directory: false,
        base: Some(format!("registry.example.com/base@sha256:{}", "0".repeat(64))),
        at: Some("/bin/shop".to_owned()),
        entrypoint: ["/bin/shop", "--listen", "0.0.0.0:8080"].map(str::to_owned).to_vec(),
        user: "1000".to_owned(),
        platform: None,
        is_compressed: false,
        has_sbom: false,
    };
    assert_eq!(image.source, ImageSource::Files(Box::new(expected)));
}

#[test]
fn defaults_are_those_of_image_push() {
    let settings = good("image-directory");
    let image = settings.image.unwrap();
    assert_eq!((image.tags, image.labels.as_str()), (None, ""));
    let ImageSource::Files(files) = image.source else { panic!() };
    assert_eq!((files.user.as_str(), files.is_compressed, files.has_sbom), ("65532:65532", true, true));
    assert_eq!((files.is_directory, files.platform.as_deref()), (true, Some("linux/arm64")));
    assert_eq!(good("image-elsewhere").image.unwrap().source, ImageSource::Elsewhere);
    assert_eq!(good("kubernetes").image, None);
}

#[test]
fn everything_of_a_build_is_read_with_paths_made_whole() {
    let settings = good("image-build");
    assert_eq!(settings.warnings, []);
    let folder = settings.file.parent().unwrap().to_owned();
    let here = |path: &str| folder.join(path).display().to_string();
    let ImageSource::Build(build) = settings.image.unwrap().source else { panic!() };
    assert_eq!((build.context, build.file), (here("app"), Some(here("app/Containerfile"))));
    assert_eq!(build.platforms, ["linux/amd64", "linux/arm64"]);
    assert_eq!(build.args, ["VERSION=1.10", "EMPTY="], "as they are written");
    assert_eq!(
        build.contexts,
        ["base=docker-image://alpine".to_owned(), format!("docs={}", here("../docs"))]
    );
    let secrets = [
        ("token".to_owned(), SecretSource::Variable("TOKEN".to_owned())),
        ("npmrc".to_owned(), SecretSource::File(folder.join(".npmrc"))),
    ];
    assert_eq!(build.secrets, secrets);
    assert_eq!((build.cache, build.is_pulling, build.has_no_cache), (Some(CacheKind::Gha), true, false));
    assert_eq!((build.provenance.as_deref(), build.sbom.as_deref()), (Some("mode=max"), Some("true")));
    assert_eq!(build.add_hosts, ["db:10.0.0.1", "cache:10.0.0.2"]);
    let ImageSource::Build(git) = good("image-build-git").image.unwrap().source else { panic!() };
    assert_eq!(git.context, "https://git.example.com/acme/shop.git#v1");
    assert_eq!((git.file.as_deref(), git.provenance.as_deref()), (Some("docker/Dockerfile"), Some("false")));
}

#[test]
fn a_build_argument_that_looks_like_a_secret_is_warned_of() {
    let warnings = good("image-args-warned").warnings;
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].severity == Severity::Warning && warnings[0].message.starts_with("`NPM_TOKEN` looks")
    );
    assert!(!warnings[0].to_string().contains("hunter2"), "{}", warnings[0]);
}
