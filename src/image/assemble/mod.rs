//! Images assembled by Tidegate itself: no daemon, no Dockerfile, the same bytes from the same files on every machine.
//!
//! ```text
//! program or directory → entries → tar → gzip → layer ─┐
//!                                   base, by digest ───┴→ configuration → manifest ─┐
//!                                   SPDX of the entries → attestation ──────────────┴→ index → Package
//! ```
//! Nothing of the machine gets in: times are that of the recipe, owners are root, modes are 0755 or 0644, the order is that of
//! the names. The program does not run as root unless it is told to.

mod document;
mod elf;
mod entries;
mod gzip;
mod layer;
mod sbom;
mod tar;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use oci_spec::image::{Arch, Descriptor, ImageConfiguration, Os};

use crate::registry::{Blob, Package, RegistryError};

pub use elf::Platform;
use entries::Entries;

/// Who a container is when nothing else is said: nobody that a machine knows.
pub const NOBODY: &str = "65532:65532";

/// What an image is made of.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// Programs, one a platform, or one directory.
    pub sources: Vec<PathBuf>,
    /// Where in the image the program or the directory's content goes; by default `/NAME` for a program, `/app` for a directory.
    pub at: Option<String>,
    /// What is run; by default the program.
    pub entrypoint: Vec<String>,
    /// User, and group after a colon.
    pub user: String,
    /// The time of everything in it, in seconds since 1970.
    pub created: i64,
    /// Whether layers are compressed.
    pub is_compressed: bool,
    /// Whether a list of what is in it is attached.
    pub has_sbom: bool,
    /// The platform of a directory.
    pub platform: Platform,
    /// Labels of its configuration, besides those of the base and in their place.
    pub labels: BTreeMap<String, String>,
    /// Annotations of each platform's manifest.
    pub annotations: BTreeMap<String, String>,
}

/// An image that is built upon, for one platform.
#[derive(Debug, Clone)]
pub struct Base {
    /// Its configuration.
    pub configuration: ImageConfiguration,
    /// Its layers, with what its manifest says of them.
    pub layers: Vec<(Descriptor, Blob)>,
}

/// One platform's image before it is written.
struct Part {
    platform: Platform,
    layer: layer::Layer,
    entrypoint: Vec<String>,
    directory: Option<String>,
}

/// Assembles an image. `base` gives what is built upon for a platform; nothing where it is built upon nothing. What is compressed
/// lies in files without a name, which go with this process.
///
/// # Errors
/// `bad-image` when a source cannot be read or cannot run in such an image.
pub fn assemble(
    recipe: &Recipe,
    base: &dyn Fn(&Platform) -> Result<Option<Base>, RegistryError>,
) -> Result<Package, RegistryError> {
    let mut images = Vec::new();
    for source in &recipe.sources {
        let part = recipe.part(source)?;
        let base = base(&part.platform)?;
        if let (None, Some(loader)) = (&base, &part.layer.loader) {
            return Err(fault(source, &format!("needs {loader}, which an image without a base lacks"))
                .hint("link it statically, or build upon an image that has it: `--base`, in tidegate.yaml `image.base`"));
        }
        let twin = images.iter().any(|(other, ..): &(Part, _)| other.platform == part.platform);
        if twin {
            return Err(fault(source, &format!("is the second one for {}", part.platform)));
        }
        images.push((part, base));
    }
    document::package(recipe, images)
}

/// What a program is made for.
///
/// # Errors
/// `bad-image` when it cannot be read, or is no program for Linux.
pub fn platform_of(program: &Path) -> Result<Platform, RegistryError> {
    let read = elf::Program::read(program).map_err(|error| unreadable(program, &error))?;
    read.map(|program| program.platform).ok_or_else(|| fault(program, "is no program for Linux"))
}

impl Recipe {
    fn part(&self, source: &Path) -> Result<Part, RegistryError> {
        let bad = |error: std::io::Error| unreadable(source, &error);
        if source.is_dir() {
            let at = self.at.clone().unwrap_or_else(|| "/app".to_owned());
            let entries = Entries::of_directory(source, &at).map_err(bad)?;
            let layer = layer::write(&entries, self.created, self.is_compressed).map_err(bad)?;
            let platform = self.platform.clone();
            return Ok(Part { platform, layer, entrypoint: self.entrypoint.clone(), directory: Some(at) });
        }
        let program = elf::Program::read(source).map_err(bad)?;
        let program =
            program.ok_or_else(|| fault(source, "is neither a program for Linux, nor an OCI layout"))?;
        let name = source.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let at = self.at.clone().unwrap_or_else(|| format!("/{name}"));
        let entries = Entries::of_program(source, &at).map_err(bad)?;
        let mut layer = layer::write(&entries, self.created, self.is_compressed).map_err(bad)?;
        layer.loader = program.loader;
        let entrypoint = if self.entrypoint.is_empty() { vec![at] } else { self.entrypoint.clone() };
        Ok(Part { platform: program.platform, layer, entrypoint, directory: None })
    }
}

impl Base {
    /// Whether it is for a platform.
    #[must_use]
    pub fn fits(&self, platform: &Platform) -> bool {
        *self.configuration.os() == Os::from(platform.os.as_str())
            && *self.configuration.architecture() == Arch::from(platform.architecture.as_str())
    }
}

fn unreadable(source: &Path, error: &std::io::Error) -> RegistryError {
    fault(source, &format!("cannot be read: {error}"))
}

fn fault(source: &Path, why: &str) -> RegistryError {
    RegistryError::new("bad-image", format!("{} {why}", source.display()))
}
