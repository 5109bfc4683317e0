//! PostgreSQL: the mark is the comment on the role that owns the database, which the role itself cannot change
//! (<https://www.postgresql.org/docs/current/sql-comment.html>). A role and its comment come about in one transaction. Names stand in
//! statements as they are: [`Name`] has no character that means anything there.

use std::str::FromStr as _;

use reqwest::Url;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use super::{Mark, Name, There, in_time};

/// PostgreSQL's code for a role that still owns something.
const DEPENDENT: &str = "2BP01";

async fn open(url: &Url) -> Result<PgConnection, sqlx::Error> {
    let options = PgConnectOptions::from_str(url.as_str())?.application_name("tidegate previews");
    in_time(options.disable_statement_logging().connect()).await
}

/// A text in a statement that takes no parameters.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

pub(super) async fn find(url: &Url, name: &Name) -> Result<There, sqlx::Error> {
    let mut connection = open(url).await?;
    let line = "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = $1";
    let owner: Option<String> =
        sqlx::query_scalar(line).bind(name.as_str()).fetch_optional(&mut connection).await?;
    let role = role(&mut connection, name).await?;
    connection.close().await?;
    Ok(match (owner, role) {
        (None, None | Some(Some(_))) => There::Nothing,
        (Some(owner), Some(Some(mark))) if owner == name.as_str() => There::Ours(mark),
        (Some(_), _) | (None, Some(None)) => There::Foreign,
    })
}

/// The mark of a role, where there is one of that name and where it has one.
async fn role(connection: &mut PgConnection, name: &Name) -> Result<Option<Option<Mark>>, sqlx::Error> {
    let line = "SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = $1";
    let found: Option<Option<String>> =
        sqlx::query_scalar(line).bind(name.as_str()).fetch_optional(connection).await?;
    Ok(found.map(|comment| comment.as_deref().and_then(Mark::read)))
}

pub(super) async fn all(url: &Url) -> Result<Vec<(Name, Mark)>, sqlx::Error> {
    let mut connection = open(url).await?;
    let line = "SELECT rolname::text, shobj_description(oid, 'pg_authid') FROM pg_roles ORDER BY rolname";
    let found: Vec<(String, Option<String>)> = sqlx::query_as(line).fetch_all(&mut connection).await?;
    connection.close().await?;
    let ours = |(name, comment): (String, Option<String>)| {
        let own = Name::of(&name);
        (own.as_str() == name).then_some(own).zip(Mark::read(&comment?))
    };
    Ok(found.into_iter().filter_map(ours).collect())
}

pub(super) async fn make(url: &Url, name: &Name, password: &str, mark: &Mark) -> Result<(), sqlx::Error> {
    let mut connection = open(url).await?;
    let own = name.as_str();
    let (password, text) = (quoted(password), quoted(&mark.text()));
    let verb = if role(&mut connection, name).await?.is_some() { "ALTER" } else { "CREATE" };
    // Whoever is no superuser makes a database for those alone whom he may act as, which from version 16 on he has to allow himself.
    let whole = format!(
        "BEGIN; {verb} ROLE \"{own}\" LOGIN PASSWORD {password}; COMMENT ON ROLE \"{own}\" IS {text}; \
         GRANT \"{own}\" TO CURRENT_USER; COMMIT"
    );
    connection.execute(sqlx::raw_sql(&whole)).await?;
    // Not of what somebody may have put into the usual template.
    connection
        .execute(format!("CREATE DATABASE \"{own}\" OWNER \"{own}\" TEMPLATE template0").as_str())
        .await?;
    // Other previews' users stay out.
    connection.execute(format!("REVOKE CONNECT ON DATABASE \"{own}\" FROM PUBLIC").as_str()).await?;
    connection.close().await
}

pub(super) async fn let_in(url: &Url, name: &Name, password: &str) -> Result<(), sqlx::Error> {
    let mut connection = open(url).await?;
    let line = format!("ALTER ROLE \"{}\" LOGIN PASSWORD {}", name.as_str(), quoted(password));
    connection.execute(line.as_str()).await?;
    connection.close().await
}

pub(super) async fn mark(url: &Url, name: &Name, mark: &Mark) -> Result<(), sqlx::Error> {
    let mut connection = open(url).await?;
    let line = format!("COMMENT ON ROLE \"{}\" IS {}", name.as_str(), quoted(&mark.text()));
    connection.execute(line.as_str()).await?;
    connection.close().await
}

pub(super) async fn remove(url: &Url, name: &Name) -> Result<(), sqlx::Error> {
    let mut connection = open(url).await?;
    let own = name.as_str();
    if role(&mut connection, name).await?.is_some() {
        // It may have taken that back.
        let _ = connection.execute(format!("GRANT \"{own}\" TO CURRENT_USER").as_str()).await;
        connection.execute(format!("ALTER ROLE \"{own}\" NOLOGIN").as_str()).await?;
    }
    // With those who are connected (from version 13 on).
    connection.execute(format!("DROP DATABASE IF EXISTS \"{own}\" WITH (FORCE)").as_str()).await?;
    // And with what it has put where anybody may.
    let _ = connection.execute(format!("DROP OWNED BY \"{own}\" CASCADE").as_str()).await;
    let dropped = connection.execute(format!("DROP ROLE IF EXISTS \"{own}\"").as_str()).await;
    match dropped.map(|_| ()) {
        Err(sqlx::Error::Database(error)) if error.code().is_some_and(|code| code == DEPENDENT) => {
            tracing::warn!(
                "role {own} owns something in other databases ({}): it may log in no more, and is left",
                error.message()
            );
        }
        dropped => dropped?,
    }
    connection.close().await
}

pub(super) async fn run(url: &Url, statements: &str) -> Result<(), sqlx::Error> {
    let mut connection = open(url).await?;
    connection.execute(sqlx::raw_sql(statements)).await?;
    connection.close().await
}
