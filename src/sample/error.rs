//! What can go wrong with the sample app.

use std::io;
use std::net::SocketAddr;

/// Why the sample app could not start or did not end as asked.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// The address cannot be listened on.
    #[error(
        "sample app: cannot listen on {address}: {source}; choose another port with PORT or end the other program"
    )]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The handler of a signal cannot be installed.
    #[error("sample app: cannot listen for signals: {0}")]
    Signal(#[source] io::Error),
    /// A listening socket does not tell its address.
    #[error("sample app: the listening socket has no address: {0}")]
    Listener(#[source] io::Error),
    /// The version cannot stand in a response header.
    #[error("sample app: version {version:?} cannot be sent in a header; use visible ASCII characters only")]
    Version {
        /// The version that was asked for.
        version: String,
    },
    /// The fault `SAMPLE_EXIT_AFTER_MS` struck: the app ended on purpose in the middle of its work.
    #[error("sample app: ended on purpose with exit code {code}, as SAMPLE_EXIT_AFTER_MS asks")]
    Crashed {
        /// The exit code that the process must end with.
        code: u8,
    },
}

impl SampleError {
    /// The exit code that the process should end with because of this error.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Crashed { code } => *code,
            Self::Bind { .. } | Self::Signal(_) | Self::Listener(_) => 1,
            Self::Version { .. } => 2,
        }
    }
}
