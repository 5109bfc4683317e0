//! The router of the `local` target, over real sockets on the loopback interface.

mod counting;
mod drain;
mod failure;
mod hold;
mod http2;
mod kit;
mod malformed;
mod message;
mod routing;
mod streaming;
mod swap;
mod upgrade;
