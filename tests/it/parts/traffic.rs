//! Visitors through a router, and a book that knows which weight was set when.

use std::net::SocketAddr;
use std::time::Duration;

use tidegate::sample::Ledger;
use tidegate::sample::load::{Kind, Load, LoadHandle, Mix};

/// A load that runs, and the weights that were in force while it did.
pub(super) struct Traffic {
    visitors: LoadHandle,
    weights: Vec<Stretch>,
}

/// The whole story: who answered at which weight.
pub(super) struct Story {
    pub(super) ledger: Ledger,
    weights: Vec<Stretch>,
}

/// A time in which a weight was known to be in force.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    from: Duration,
    to: Duration,
    percent: u32,
}

/// What visitors met while a weight was in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AtWeight {
    /// The weight of the new version.
    pub(super) percent: u32,
    /// The answers of the new version.
    pub(super) own: u32,
    /// All answers.
    pub(super) all: u32,
}

impl Traffic {
    /// `rate` plain requests a second to a router at `address`, for the service called `host`.
    pub(super) fn start(address: SocketAddr, host: &str, rate: u32) -> Self {
        let mix = Mix::default().with(Kind::Get, 9).with(Kind::NewConnection, 1);
        let load = Load { mix, host: Some(host.to_owned()), ..Load::new(address, rate) };
        Self { visitors: load.start(), weights: Vec::new() }
    }

    /// Lets the load go on for a while in which the new version has so many percent, by what the router was told.
    pub(super) async fn at_weight(&mut self, percent: u32, time: Duration) {
        let from = self.visitors.elapsed();
        tokio::time::sleep(time).await;
        self.weights.push(Stretch { from, to: self.visitors.elapsed(), percent });
    }

    /// Ends the load.
    pub(super) async fn end(self) -> Story {
        Story { ledger: self.visitors.stop().await, weights: self.weights }
    }
}

impl Story {
    /// For each weight that was in force, who answered. Answers at its edges, in a slice of time that it does not fill, are not
    /// counted.
    pub(super) fn at_each_weight(&self, version: &str) -> Vec<AtWeight> {
        let width = self.ledger.series.width;
        let count = |stretch: &Stretch| {
            let slices = (0_u32..).zip(&self.ledger.series.slices);
            let within =
                slices.filter(|(at, _)| stretch.from <= width * *at && width * (*at + 1) <= stretch.to);
            within.fold(AtWeight { percent: stretch.percent, own: 0, all: 0 }, |sum, (_, slice)| AtWeight {
                own: sum.own + slice.answered.get(version).copied().unwrap_or_default(),
                all: sum.all + slice.answered.values().sum::<u32>(),
                ..sum
            })
        };
        self.weights.iter().map(count).collect()
    }
}
