//! MySQL and MariaDB: the marks stand in a database of Tidegate's own, for neither databases nor users have comments in both. Names stand in
//! statements as they are: [`Name`] has no character that means anything there, but for the underscore in a grant.

use std::str::FromStr as _;

use reqwest::Url;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use super::{Mark, Name, There, in_time};

/// The table with the marks.
const MARKS: &str = "tidegate_previews.marks";

async fn open(url: &Url) -> Result<MySqlConnection, sqlx::Error> {
    let options = MySqlConnectOptions::from_str(url.as_str())?;
    in_time(options.disable_statement_logging().connect()).await
}

/// As [`open`], with a table for the marks.
async fn open_marked(url: &Url) -> Result<MySqlConnection, sqlx::Error> {
    let mut connection = open(url).await?;
    connection.execute("CREATE DATABASE IF NOT EXISTS tidegate_previews").await?;
    let table =
        format!("CREATE TABLE IF NOT EXISTS {MARKS} (name VARCHAR(64) PRIMARY KEY, mark TEXT NOT NULL)");
    connection.execute(table.as_str()).await?;
    Ok(connection)
}

/// A text in a statement that takes no parameters.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

pub(super) async fn find(url: &Url, name: &Name) -> Result<There, sqlx::Error> {
    let mut connection = open_marked(url).await?;
    let line = "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = ?";
    let there: i64 = sqlx::query_scalar(line).bind(name.as_str()).fetch_one(&mut connection).await?;
    let line = format!("SELECT CAST(mark AS CHAR) FROM {MARKS} WHERE name = ?");
    let mark: Option<String> =
        sqlx::query_scalar(&line).bind(name.as_str()).fetch_optional(&mut connection).await?;
    let line = "SELECT COUNT(*) FROM mysql.user WHERE user = ?";
    let users: i64 = sqlx::query_scalar(line).bind(name.as_str()).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(match mark.as_deref().and_then(Mark::read) {
        None if there == 0 && users > 0 => There::Foreign,
        _ if there == 0 => There::Nothing,
        Some(mark) => There::Ours(mark),
        None => There::Foreign,
    })
}

pub(super) async fn all(url: &Url) -> Result<Vec<(Name, Mark)>, sqlx::Error> {
    let mut connection = open_marked(url).await?;
    let line = format!("SELECT CAST(name AS CHAR), CAST(mark AS CHAR) FROM {MARKS} ORDER BY name");
    let found: Vec<(String, String)> = sqlx::query_as(&line).fetch_all(&mut connection).await?;
    connection.close().await?;
    let ours = |(name, mark): (String, String)| {
        let own = Name::of(&name);
        (own.as_str() == name).then_some(own).zip(Mark::read(&mark))
    };
    Ok(found.into_iter().filter_map(ours).collect())
}

pub(super) async fn make(url: &Url, name: &Name, password: &str, mark: &Mark) -> Result<(), sqlx::Error> {
    write(url, name, mark).await?;
    let mut connection = open(url).await?;
    let (own, password) = (name.as_str(), quoted(password));
    // An underscore stands for any character in a grant, but where rights may be taken back in part; MariaDB knows no such thing.
    let is_literal: Option<i64> =
        sqlx::query_scalar("SELECT @@partial_revokes").fetch_one(&mut connection).await.ok();
    let pattern = if is_literal == Some(1) { own.to_owned() } else { own.replace('_', "\\_") };
    if let Err(error) = connection.execute(format!("CREATE DATABASE `{own}`").as_str()).await {
        // Somebody else was quicker: his is not to be taken for ours.
        sqlx::query(&format!("DELETE FROM {MARKS} WHERE name = ?"))
            .bind(own)
            .execute(&mut connection)
            .await?;
        return Err(error);
    }
    for line in [
        format!("CREATE USER IF NOT EXISTS `{own}`@'%' IDENTIFIED BY {password}"),
        format!("ALTER USER `{own}`@'%' IDENTIFIED BY {password}"),
        format!("GRANT ALL ON `{pattern}`.* TO `{own}`@'%'"),
    ] {
        connection.execute(line.as_str()).await?;
    }
    connection.close().await
}

pub(super) async fn let_in(url: &Url, name: &Name, password: &str) -> Result<(), sqlx::Error> {
    let mut connection = open(url).await?;
    let line = format!("ALTER USER `{}`@'%' IDENTIFIED BY {}", name.as_str(), quoted(password));
    connection.execute(line.as_str()).await?;
    connection.close().await
}

/// Writes its mark, anew where there is one.
pub(super) async fn write(url: &Url, name: &Name, mark: &Mark) -> Result<(), sqlx::Error> {
    let mut connection = open_marked(url).await?;
    let line = format!("REPLACE INTO {MARKS} VALUES (?, ?)");
    sqlx::query(&line).bind(name.as_str()).bind(mark.text()).execute(&mut connection).await?;
    connection.close().await
}

pub(super) async fn remove(url: &Url, name: &Name) -> Result<(), sqlx::Error> {
    let mut connection = open_marked(url).await?;
    let own = name.as_str();
    connection.execute("SET SESSION lock_wait_timeout = 20").await?;
    connection.execute(format!("DROP USER IF EXISTS `{own}`@'%'").as_str()).await?;
    // Whoever is connected stays so, and may hold up what follows.
    let line = "SELECT CAST(id AS SIGNED) FROM information_schema.processlist WHERE user = ?";
    let sessions: Vec<i64> = sqlx::query_scalar(line).bind(own).fetch_all(&mut connection).await?;
    for session in sessions {
        // It may have ended by itself.
        let _ = connection.execute(format!("KILL {session}").as_str()).await;
    }
    connection.execute(format!("DROP DATABASE IF EXISTS `{own}`").as_str()).await?;
    sqlx::query(&format!("DELETE FROM {MARKS} WHERE name = ?")).bind(own).execute(&mut connection).await?;
    connection.close().await
}

pub(super) async fn run(url: &Url, statements: &str) -> Result<(), sqlx::Error> {
    let mut connection = open(url).await?;
    connection.execute(sqlx::raw_sql(statements)).await?;
    connection.close().await
}
