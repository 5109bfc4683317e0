//! One request that is let through, and what every operation needs of it.

use serde_json::{Value, json};

use crate::github::contract::PathParameters;
use crate::github::limits::Budget;
use crate::github::page::page;
use crate::github::reply::{Refusal, Reply, not_found, unprocessable};
use crate::github::tokens::Token;
use crate::github::view::View;
use crate::github::world::World;
use crate::github::world::commit::Commit;
use crate::github::world::repository::Repository;

/// A request that is as the description says, from somebody who may make it.
pub(crate) struct Call<'a> {
    pub(crate) world: &'a mut World,
    /// Where the API is served, without a slash at the end.
    pub(crate) base: &'a str,
    pub(crate) token: &'a Token,
    pub(crate) budget: Budget,
    /// As it came, still percent-encoded.
    pub(crate) raw_path: &'a str,
    pub(crate) path: &'a PathParameters,
    pub(crate) query: &'a [(String, String)],
    /// `null` when none was sent.
    pub(crate) body: &'a Value,
    pub(crate) accept: &'a str,
}

impl Call<'_> {
    /// `owner/name` of the path.
    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.param("owner"), self.param("repo"))
    }

    pub(crate) fn repository(&self) -> Result<&Repository, Refusal> {
        self.world.find(&self.full_name()).ok_or_else(not_found)
    }

    pub(crate) fn repository_mut(&mut self) -> Result<&mut Repository, Refusal> {
        let name = self.full_name();
        self.world.find_mut(&name).ok_or_else(not_found)
    }

    pub(crate) fn view(&self) -> Result<View<'_>, Refusal> {
        Ok(View { base: self.base, repository: self.repository()? })
    }

    /// A path parameter; the description says that it is there.
    pub(crate) fn param(&self, name: &str) -> &str {
        self.path.get(name).map_or("", String::as_str)
    }

    /// A path parameter that is a number.
    pub(crate) fn number(&self, name: &str) -> Result<u64, Refusal> {
        self.param(name).parse().map_err(|_| not_found())
    }

    /// A query parameter.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A member of the body that is a text.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.body.get(name).and_then(Value::as_str).map(str::to_owned)
    }

    /// A member of the body that is yes or no.
    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.body.get(name).and_then(Value::as_bool)
    }

    /// The commit that a name means, in GitHub's words when there is none.
    pub(crate) fn commit(&self, name: &str) -> Result<&Commit, Refusal> {
        let found = self.repository()?.resolve(name);
        found.ok_or_else(|| unprocessable(&format!("No commit found for SHA: {name}")))
    }

    /// A page of a bare list.
    pub(crate) fn list(&self, items: Vec<Value>) -> Reply {
        let page = page(items, self.query, &self.url());
        linked(Reply::ok(Value::Array(page.items)), page.link)
    }

    /// A page of a list inside an object that counts them all.
    pub(crate) fn counted(&self, name: &str, items: Vec<Value>) -> Reply {
        let page = page(items, self.query, &self.url());
        linked(Reply::ok(json!({"total_count": page.total, name: page.items})), page.link)
    }

    fn url(&self) -> String {
        format!("{}{}", self.base, self.raw_path)
    }
}

fn linked(reply: Reply, link: Option<String>) -> Reply {
    match link {
        Some(link) => reply.with("link", link),
        None => reply,
    }
}
