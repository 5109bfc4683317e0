//! An environment that somebody else works on: refuse, wait, or ask them for something first.

use std::time::Instant;

use jiff::Timestamp;

use super::ground::{AnyJournal, AnyLock};
use super::place::Place;
use super::session::nonce;
use super::signals::Signals;
use crate::error::{Error, ErrorKind};
use crate::journal::{Holder, Journal as _, LockError, Sighting};
use crate::rollout::event::{Asked, Request};
use crate::rollout::{Environment, RolloutId};

/// What to do about a lock that somebody else holds.
pub enum OnLock<'a> {
    /// Give up at once. Only a holder that has probably died is waited for: its lock runs out within moments.
    Refuse,
    /// Give up at the holder's next sign of life; one that gives none is waited for until its lock runs out.
    TakeUp,
    /// Wait until it is free.
    Wait,
    /// Take it from this process, by the end of its holdings' names, which is known to have died; wait for any other.
    OfDead(&'a str),
    /// Ask its holder for this first, then wait.
    Ask(&'a dyn Fn(&Environment) -> Option<Request>),
}

/// Takes the lock of the environment for `by`.
///
/// # Errors
/// When it is not to be had, or the command is told to stop meanwhile.
pub async fn take_lock(
    place: &Place,
    journal: &AnyJournal,
    by: &str,
    reason: &str,
    on_lock: OnLock<'_>,
    signals: &Signals,
) -> Result<AnyLock, Error> {
    let holder =
        Holder { name: by.to_owned(), reason: reason.to_owned(), since: Timestamp::now(), nonce: nonce() };
    let budget = place.environment.budgets.total + place.environment.budgets.back;
    let began = Instant::now();
    let (mut asked, mut silence, mut life) = (None, Silence::default(), Life::default());
    loop {
        let held = match place.ground.lock(&holder).await {
            Ok(lock) => return Ok(lock),
            Err(LockError::Held(held)) => held,
            Err(error) => return Err(error.into()),
        };
        let refused = || Error::from(LockError::Held(held.clone()));
        let sighting = place.ground.sight().await?;
        let dead = silence.lasts(sighting.as_ref());
        match &on_lock {
            OnLock::Refuse if !dead => return Err(refused()),
            OnLock::TakeUp if !dead && life.shows(sighting.as_ref()) => return Err(refused()),
            // The kernel's own locks end with the process: one that is held is held by somebody who lives.
            OnLock::OfDead(process)
                if sighting
                    .as_ref()
                    .is_some_and(|seen| seen.last_sign.is_some() && seen.holder.is_of(process)) =>
            {
                tracing::warn!("{} has died with the lock, which is taken over", held.name);
                place.ground.seize_from(&holder, process).await?;
                continue;
            }
            OnLock::Ask(wish) => asked = ask(journal, wish, &holder, asked).await?,
            OnLock::Refuse | OnLock::TakeUp | OnLock::Wait | OnLock::OfDead(_) => {}
        }
        if began.elapsed() > budget {
            return Err(refused().hint(format!("it was waited for {budget:?}")));
        }
        if let Some(signal) = signals.cancel().signal() {
            return Err(Error::new(
                ErrorKind::Cancelled(signal),
                "cancelled",
                "the command was told to stop while it waited for the lock",
            ));
        }
        tokio::time::sleep(place.ground.between_tries()).await;
    }
}

/// Asks the holder for the wish, once for each of its rollouts: another run may get the lock before this one.
async fn ask(
    journal: &AnyJournal,
    wish: &dyn Fn(&Environment) -> Option<Request>,
    holder: &Holder,
    asked: Option<RolloutId>,
) -> Result<Option<RolloutId>, Error> {
    let environment = journal.replay().await.unwrap_or_default();
    let open = environment.open().map(|rollout| rollout.id.clone());
    let (true, Some(request)) = (open != asked, wish(&environment)) else { return Ok(asked) };
    // Who supersedes says with which version: that is reason enough.
    let told = matches!(request, Request::Supersede { .. });
    let reason = (!told).then(|| holder.reason.clone());
    journal.ask(&Asked { id: nonce(), request, by: holder.name.clone(), reason }).await?;
    Ok(open)
}

/// The last sign of life of a holder that may be dead.
#[derive(Debug, Default)]
pub struct Life(Option<Timestamp>);

impl Life {
    /// Whether the holder has shown that it lives: by another sign than the first one that was seen, or by a lock that only the
    /// living hold.
    pub fn shows(&mut self, sighting: Option<&Sighting>) -> bool {
        // Just run out, or let go: the next try gets it.
        let Some(sighting) = sighting else { return false };
        let Some(last) = sighting.last_sign else { return true };
        *self.0.get_or_insert(last) != last
    }
}

/// The silence of a holder that has probably died, for as long as it lasts.
#[derive(Debug, Default)]
pub struct Silence(Option<Timestamp>);

impl Silence {
    /// Whether the lock is to be waited for because its holder gives no sign of life; that is told once. A sign of life after
    /// all ends it: what looked like silence was a clock that differs.
    pub fn lasts(&mut self, sighting: Option<&Sighting>) -> bool {
        // Just run out: the next try gets it.
        let Some(sighting) = sighting else { return self.0.is_some() };
        let Some(since) = sighting.silent_since else { return false };
        if self.0.is_none() {
            let (name, at) = (&sighting.holder.name, since.strftime("%T UTC"));
            tracing::warn!(
                "{name} holds the lock and has given no sign of life since {at}; it is waited for until the lock runs out"
            );
            self.0 = Some(since);
        }
        self.0 == Some(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_lives_that_gives_another_sign_or_that_only_a_living_one_can_be() {
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
        let holder = Holder { name: "ada".into(), reason: "deploy".into(), since: at(0), nonce: "n".into() };
        let seen = |last_sign| Sighting { holder: holder.clone(), silent_since: None, last_sign };
        let mut life = Life::default();
        assert!(!life.shows(Some(&seen(Some(at(0))))) && !life.shows(Some(&seen(Some(at(0))))));
        assert!(!life.shows(None), "it has run out");
        assert!(life.shows(Some(&seen(Some(at(5))))));
        assert!(Life::default().shows(Some(&seen(None))), "a lock of the kernel's");
    }

    #[test]
    fn a_silence_lasts_until_a_sign_of_life_or_the_end_of_the_lock() {
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
        let holder = Holder { name: "ada".into(), reason: "deploy".into(), since: at(0), nonce: "n".into() };
        let seen = |silent_since| Sighting { holder: holder.clone(), silent_since, last_sign: silent_since };
        let mut silence = Silence::default();
        assert!(!silence.lasts(None), "nobody was silent");
        assert!(!silence.lasts(Some(&seen(None))));
        assert!(silence.lasts(Some(&seen(Some(at(0))))));
        assert!(silence.lasts(Some(&seen(Some(at(0))))));
        assert!(silence.lasts(None), "it has run out");
        assert!(!silence.lasts(Some(&seen(Some(at(5))))), "it was renewed meanwhile");
        assert!(!silence.lasts(Some(&seen(None))));
    }
}
