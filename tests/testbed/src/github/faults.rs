//! What goes wrong on demand.

use std::time::Duration;

use serde_json::Value;

/// Which requests a fault meets: those that fit everything that is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matcher {
    method: Option<String>,
    operation: Option<String>,
    path: Vec<String>,
}

impl Matcher {
    /// Every request.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// Requests of one operation by its id in the description, such as `checks/create`.
    #[must_use]
    pub fn operation(id: &str) -> Self {
        Self { operation: Some(id.to_owned()), ..Self::default() }
    }

    /// Only requests of this method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Only requests whose path contains this.
    #[must_use]
    pub fn path(mut self, part: &str) -> Self {
        self.path.push(part.to_owned());
        self
    }

    fn fits(&self, method: &str, path: &str, operation: Option<&str>) -> bool {
        self.method.as_ref().is_none_or(|it| it.eq_ignore_ascii_case(method))
            && self.operation.as_ref().is_none_or(|it| operation == Some(it))
            && self.path.iter().all(|part| path.contains(part.as_str()))
    }
}

/// What happens to a request that a fault meets.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// Nothing is changed, and the answer has this status: 502 and the like.
    Status(u16),
    /// The request is acted on at once, and the answer held back for so long, whether or not the client waits for it.
    Slow(Duration),
    /// Nothing is changed, and the connection is closed without a byte of an answer.
    CutConnection,
    /// The request is acted on and its answer lost: the connection is closed without a byte of it.
    CutAfterAct,
    /// Nothing is changed, and the answer is that of GitHub's secondary limit.
    SecondaryLimit {
        /// Sent in `retry-after` as whole seconds, rounded up.
        retry_after: Duration,
        /// GitHub answers with 403 or with 429.
        status: u16,
    },
    /// Nothing is changed, and the answer is 200 with a page of HTML, as a proxy on the way would give.
    Garbage,
    /// Nothing is changed, and the answer is this: for what the testbed does not act out. As the only answer of a fault it
    /// is held against the description.
    Answer {
        /// The status.
        status: u16,
        /// The JSON body.
        body: Value,
    },
}

/// A fault that waits for its requests.
#[derive(Debug)]
struct Armed {
    matcher: Matcher,
    fault: Fault,
    times: u32,
}

/// The faults of one GitHub, in the order in which they were registered.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Armed>);

impl Faults {
    /// Meets the next `times` requests that fit.
    pub(crate) fn arm(&mut self, matcher: Matcher, fault: Fault, times: u32) {
        self.0.push(Armed { matcher, fault, times });
    }

    /// The fault that meets a request, the first one registered that fits; it has one time less afterwards.
    pub(crate) fn meet(&mut self, method: &str, path: &str, operation: Option<&str>) -> Option<Fault> {
        let armed =
            self.0.iter_mut().find(|armed| armed.times > 0 && armed.matcher.fits(method, path, operation))?;
        armed.times -= 1;
        Some(armed.fault.clone())
    }

    /// How often registered faults have yet to act.
    pub(crate) fn left(&self) -> u32 {
        self.0.iter().map(|armed| armed.times).fold(0, u32::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_act_in_order_and_only_as_often_as_said() {
        let mut faults = Faults::default();
        faults.arm(Matcher::any().method("POST").path("/statuses"), Fault::Status(502), 2);
        faults.arm(Matcher::operation("x/y"), Fault::CutConnection, 1);
        assert_eq!(faults.meet("GET", "/a/statuses", None), None);
        assert_eq!(faults.meet("post", "/a/statuses", Some("x/y")), Some(Fault::Status(502)));
        assert_eq!(faults.meet("POST", "/a/statuses", Some("x/y")), Some(Fault::Status(502)));
        assert_eq!(faults.left(), 1);
        assert_eq!(faults.meet("POST", "/a/statuses", Some("x/y")), Some(Fault::CutConnection));
        assert_eq!(faults.meet("POST", "/a/statuses", Some("x/y")), None);
    }
}
