//! Databases of previews: each with a user of its own who may do nothing on others that not anybody may, on a server that somebody lent for them.
//!
//! What it has not made it does not touch: a database is its own where a mark beside it says so. It is made in an order that whoever finds the
//! half of it can take up: the mark says whether it was filled, and one that was not is made anew.

mod mysql;
mod postgres;

use std::fmt;
use std::future::Future;
use std::time::Duration;

use reqwest::Url;
use serde::{Deserialize, Serialize};

/// A connection comes about within this time, or not at all.
const CONNECT: Duration = Duration::from_secs(10);
/// And what is asked is answered within this one.
const ANSWER: Duration = Duration::from_secs(60);
/// What a URL may not say beside its own parts: it would be the maker's in the URL of a preview, too.
const OVERRIDING: [&str; 12] = [
    "user", "password", "dbname", "host", "hostaddr", "port", "socket", "passfile", "sslcert", "sslkey",
    "ssl-cert", "ssl-key",
];
/// What the mark begins with, where something else might stand in its place.
const MARK: &str = "tidegate-preview ";

/// Why a server does not do what it is asked. No URL and no password stands in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct Refusal {
    /// Stable code: `database-url`, `database-unreachable`, `database-refused`, `foreign-database`.
    pub code: &'static str,
    /// One sentence with place and cause.
    pub sentence: String,
    /// Trying again may help.
    pub is_passing: bool,
}

/// Whose a database is; it stands on the server, where the database's own user cannot write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The app.
    pub app: String,
    /// `OWNER/NAME` of the repository; nothing where none was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The number of the pull request.
    pub number: u64,
    /// Where the preview is that it belongs to.
    pub home: String,
    /// Another one for each database that was made.
    pub nonce: String,
    /// It has all that it is filled with.
    #[serde(default)]
    pub is_filled: bool,
}

impl Mark {
    fn text(&self) -> String {
        format!("{MARK}{}", serde_json::to_string(self).unwrap_or_default())
    }

    fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text.strip_prefix(MARK)?).ok()
    }
}

/// What stands under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum There {
    /// Nothing.
    Nothing,
    /// A database of ours.
    Ours(Mark),
    /// A database that Tidegate has not made.
    Foreign,
}

/// Which servers are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Postgres,
    MySql,
}

/// A server on which databases may be made, by a user who may do that.
#[derive(Clone)]
pub struct Server {
    kind: Kind,
    url: Url,
    /// The variable that it is named by.
    variable: String,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server(${})", self.variable)
    }
}

/// A name of a database and of its user: letters, digits and underscores, which need no escape in any statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// A name out of a text; every other character becomes an underscore. At most 32 characters are taken, as many as a user of MySQL has.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
        Self(text.chars().map(plain).take(32).collect())
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Server {
    /// The server of a URL such as `postgres://maker:…@db.example/postgres` or `mysql://maker:…@db.example/`, which `variable` holds. It is not
    /// asked yet.
    ///
    /// # Errors
    /// `database-url`.
    pub fn new(url: &str, variable: &str) -> Result<Self, Refusal> {
        let unfit = || Refusal {
            code: "database-url",
            sentence: format!(
                "${variable} does not hold the URL of a server: it begins with postgres:// or mysql://, and what is special in a password is percent-encoded"
            ),
            is_passing: false,
        };
        let url = Url::parse(url.trim()).map_err(|_| unfit())?;
        let kind = match url.scheme() {
            "postgres" | "postgresql" => Kind::Postgres,
            "mysql" | "mariadb" => Kind::MySql,
            _ => return Err(unfit()),
        };
        if url.host_str().is_none_or(str::is_empty) {
            return Err(unfit());
        }
        if let Some((key, _)) = url.query_pairs().find(|(key, _)| OVERRIDING.contains(&key.as_ref())) {
            return Err(Refusal {
                code: "database-url",
                sentence: format!(
                    "the URL in ${variable} says `{key}` in its query; it belongs before the `@`, or before the `?`"
                ),
                is_passing: false,
            });
        }
        Ok(Self { kind, url, variable: variable.to_owned() })
    }

    /// What stands under a name.
    ///
    /// # Errors
    /// When the server does not say.
    pub async fn find(&self, name: &Name) -> Result<There, Refusal> {
        self.told(async {
            match self.kind {
                Kind::Postgres => postgres::find(&self.url, name).await,
                Kind::MySql => mysql::find(&self.url, name).await,
            }
        })
        .await
    }

    /// All databases of ours, with their marks.
    ///
    /// # Errors
    /// When the server does not say.
    pub async fn all(&self) -> Result<Vec<(Name, Mark)>, Refusal> {
        self.told(async {
            match self.kind {
                Kind::Postgres => postgres::all(&self.url).await,
                Kind::MySql => mysql::all(&self.url).await,
            }
        })
        .await
    }

    /// Makes a database with a user of its own, both of that name, and marks it. There is none of that name, but perhaps a user of ours.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn make(&self, name: &Name, password: &str, mark: &Mark) -> Result<(), Refusal> {
        self.told(async {
            match self.kind {
                Kind::Postgres => postgres::make(&self.url, name, password, mark).await,
                Kind::MySql => mysql::make(&self.url, name, password, mark).await,
            }
        })
        .await
    }

    /// Gives its user another password.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn let_in(&self, name: &Name, password: &str) -> Result<(), Refusal> {
        self.told(async {
            match self.kind {
                Kind::Postgres => postgres::let_in(&self.url, name, password).await,
                Kind::MySql => mysql::let_in(&self.url, name, password).await,
            }
        })
        .await
    }

    /// Writes the mark of a database of ours anew.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn mark(&self, name: &Name, mark: &Mark) -> Result<(), Refusal> {
        self.told(async {
            match self.kind {
                Kind::Postgres => postgres::mark(&self.url, name, mark).await,
                Kind::MySql => mysql::write(&self.url, name, mark).await,
            }
        })
        .await
    }

    /// Takes away a database of ours and its user, whoever is connected to it, and looks whether it is gone. What is not there is gone.
    ///
    /// # Errors
    /// `foreign-database`; when the server refuses.
    pub async fn remove(&self, name: &Name) -> Result<(), Refusal> {
        if self.find(name).await? == There::Foreign {
            return Err(self.foreign(name));
        }
        self.told(async {
            match self.kind {
                Kind::Postgres => postgres::remove(&self.url, name).await,
                Kind::MySql => mysql::remove(&self.url, name).await,
            }
        })
        .await?;
        match self.find(name).await? {
            There::Nothing => Ok(()),
            There::Ours(_) | There::Foreign => Err(Refusal {
                code: "database-refused",
                sentence: format!(
                    "database {} on the server that ${} names is still there after it was dropped",
                    name.as_str(),
                    self.variable
                ),
                is_passing: true,
            }),
        }
    }

    /// Whether the user of a database gets in with that password.
    pub async fn lets_in(&self, name: &Name, password: &str) -> bool {
        let asked = self.run(name, password, "SELECT 1");
        tokio::time::timeout(ANSWER, asked).await.is_ok_and(|answer| answer.is_ok())
    }

    /// Runs the statements of a file in a database, as its own user. However long they take: who calls it has to see to that.
    ///
    /// # Errors
    /// When one fails, or cannot be run.
    pub async fn run(&self, name: &Name, password: &str, statements: &str) -> Result<(), Refusal> {
        let url = self.address(name, password);
        self.in_words(async {
            match self.kind {
                Kind::Postgres => postgres::run(&url, statements).await,
                Kind::MySql => mysql::run(&url, statements).await,
            }
        })
        .await
    }

    /// By which URL the user of a database reaches it.
    #[must_use]
    pub fn url(&self, name: &Name, password: &str) -> String {
        self.address(name, password).to_string()
    }

    fn address(&self, name: &Name, password: &str) -> Url {
        let mut url = self.url.clone();
        // A URL with a host, which this one has, takes all three.
        let _ = url.set_username(name.as_str());
        let _ = url.set_password(Some(password));
        url.set_path(name.as_str());
        url
    }

    /// That a database of that name is none of ours.
    #[must_use]
    pub fn foreign(&self, name: &Name) -> Refusal {
        Refusal {
            code: "foreign-database",
            sentence: format!(
                "database {} on the server that ${} names was not made by Tidegate for a preview, and is left alone",
                name.as_str(),
                self.variable
            ),
            is_passing: false,
        }
    }

    /// What came of it, in time.
    async fn told<T>(&self, asked: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Refusal> {
        let late = || Refusal {
            code: "database-unreachable",
            sentence: format!("the server that ${} names did not answer within {ANSWER:?}", self.variable),
            is_passing: true,
        };
        tokio::time::timeout(ANSWER, self.in_words(asked)).await.unwrap_or_else(|_| Err(late()))
    }

    /// What came of it, in words without anything secret.
    async fn in_words<T>(&self, asked: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Refusal> {
        let server = format!("the server that ${} names", self.variable);
        match asked.await {
            Ok(answer) => Ok(answer),
            Err(sqlx::Error::Database(error)) => Err(Refusal {
                code: "database-refused",
                sentence: format!("{server} refuses: {}", error.message()),
                is_passing: false,
            }),
            Err(error) => Err(Refusal {
                code: "database-unreachable",
                sentence: format!("{server} cannot be reached: {}", innermost(&error)),
                is_passing: true,
            }),
        }
    }
}

fn innermost(error: &sqlx::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// A connection in time.
async fn in_time<T>(connecting: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    tokio::time::timeout(CONNECT, connecting).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_needs_no_escape() {
        assert_eq!(Name::of("shop-preview-7").as_str(), "shop_preview_7");
        assert_eq!(Name::of("A\"; DROP `x`\\ é").as_str(), "a___drop__x____");
        assert_eq!(Name::of(&"x".repeat(99)).as_str().len(), 32);
    }

    #[test]
    fn a_database_has_a_user_of_its_own_and_the_rest_of_the_url_stays() {
        let server =
            Server::new("postgres://maker:s%40y@db.example:5433/postgres?sslmode=require", "DB").unwrap();
        let url = server.url(&Name::of("shop-1"), "pass");
        assert_eq!(url, "postgres://shop_1:pass@db.example:5433/shop_1?sslmode=require");
        assert_eq!(format!("{server:?}"), "Server($DB)");
        for bad in
            ["", "shop", "http://db/", "sqlite:x.db", "postgres://", "postgres://db/x?user=a&password=b"]
        {
            let why = Server::new(bad, "DB").unwrap_err();
            assert_eq!(why.code, "database-url", "{bad}");
        }
    }

    #[test]
    fn a_mark_is_read_as_it_was_written_and_nothing_else_is_one() {
        let mark = Mark {
            app: "shop".into(),
            repository: Some("acme/shop".into()),
            number: 7,
            home: "x".into(),
            nonce: "1".into(),
            is_filled: false,
        };
        assert_eq!(Mark::read(&mark.text()), Some(mark.clone()));
        for other in ["", "{}", "a database", &mark.text()[1..]] {
            assert_eq!(Mark::read(other), None);
        }
    }
}
