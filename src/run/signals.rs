//! SIGINT and SIGTERM: the first starts the way back, the second ends the command at once.

use tokio::signal::unix::{SignalKind, signal};

use crate::engine::Cancel;
use crate::error::{Error, ErrorKind};

/// Listens for signals in the background.
#[derive(Debug, Clone)]
pub struct Signals(Cancel);

impl Signals {
    /// Begins to listen. A second signal ends the process: the rollout is then open, and any later command goes on from the
    /// journal.
    ///
    /// # Errors
    /// When the kernel refuses the handlers.
    pub fn listen() -> Result<Self, Error> {
        let refused = |error: std::io::Error| {
            Error::new(ErrorKind::Failed, "signals", format!("signals cannot be listened for: {error}"))
        };
        let mut interrupt = signal(SignalKind::interrupt()).map_err(refused)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(refused)?;
        let (told, cancel) = Cancel::channel();
        tokio::spawn(async move {
            loop {
                let number = tokio::select! {
                    _ = interrupt.recv() => SignalKind::interrupt().as_raw_value(),
                    _ = terminate.recv() => SignalKind::terminate().as_raw_value(),
                };
                if told.borrow().is_some() {
                    std::process::exit(128 + number);
                }
                told.send_replace(Some(number));
            }
        });
        Ok(Self(cancel))
    }

    /// For the engine.
    #[must_use]
    pub fn cancel(&self) -> Cancel {
        self.0.clone()
    }
}
