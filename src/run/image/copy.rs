//! `image copy`.

use std::sync::Arc;
use std::time::Instant;

use super::{PushAnswer, carrier, deliver, destinations, reference};
use crate::cli::ImageCopyArgs;
use crate::error::Error;
use crate::registry::{Package, Right};

/// Copies an image from one registry to others, byte for byte: its digest stays what it is.
///
/// # Errors
/// When it cannot be had, or a registry does not take it.
pub(super) async fn copy(arguments: &ImageCopyArgs) -> Result<PushAnswer, Error> {
    let began = Instant::now();
    let (from, to) = (reference(&arguments.from)?, destinations(&arguments.to)?);
    let carrier = carrier(&arguments.registry)?;
    let repository = Arc::new(carrier.repository(&from, Right::Pull).await?);
    let package = Package::of(&repository, &from.version).await?;
    deliver(&carrier, &package, &to, Some(&from), began).await
}
