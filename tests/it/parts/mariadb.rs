//! Migrations in MariaDB, which speaks as MySQL does: statements that change tables end its transactions by themselves.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use testbed::{Bed, Part, address};

use super::migrate::{migrating, reason, write};
use super::{bed, tried};
use crate::commands::kit::{App, tells};

/// A database of its own.
struct Database {
    bed: Bed,
    name: String,
    password: String,
}

impl Database {
    async fn make(test: &str, name: &str) -> Option<Self> {
        let bed: Bed = bed(test, &[Part::MariaDb]).await?;
        let password = bed.mariadb_password().unwrap();
        let database = Self { bed, name: format!("{name}_{}", std::process::id()), password };
        database.on("mysql", &format!("create database {}", database.name));
        Some(database)
    }

    fn command(&self, database: &str, line: &str) -> Command {
        let mut client = self.bed.inside("mariadb").unwrap();
        let host = address::BED.to_string();
        client.args(["--no-defaults", "-h", &host, "-u", "tidegate", "-N", "-B", "-e", line, database]);
        client.env("MYSQL_PWD", &self.password);
        client
    }

    fn on(&self, database: &str, line: &str) -> String {
        let output = tried(&mut self.command(database, line));
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn ask(&self, line: &str) -> String {
        self.on(&self.name, line)
    }

    /// An app whose environment migrates it, with these files.
    fn app(&self, more: &str, files: &[(&str, &str)]) -> App {
        migrating(&format!("mysql://tidegate:{}@{}/{}", self.password, address::BED, self.name), more, files)
    }

    fn applied(&self) -> String {
        self.ask("select coalesce(group_concat(concat(version, if(success, '', '?')) order by version), '') from _sqlx_migrations")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = tried(&mut self.command("mysql", &format!("drop database {}", self.name)));
    }
}

const ORDERS: (&str, &str) =
    ("1_orders.sql", "create table orders (id bigint auto_increment primary key, note text);");

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_is_migrated_and_one_that_fails_half_way_holds() {
    let Some(database) = Database::make("MariaDB is migrated", "halfway").await else { return };
    let app = database.app("", &[ORDERS]);
    app.run(&["deploy", "--version", "v1"]).exits(0);
    assert_eq!(database.applied(), "1");
    // What changes a table cannot be taken back: the first half stays, and nobody but a person knows what to do with it.
    write(
        &app,
        "2_paid.sql",
        "alter table orders add column paid boolean;\n\ninsert into nowhere values (1);",
    );
    let answer = app.json(&["deploy", "--version", "v2"]);
    assert_eq!(reason(&answer), ("rolled-back", "migration-partly-applied"), "{answer:#}");
    tells(answer["sentence"].as_str().unwrap(), &["2 (paid) is partly applied", "nowhere"]);
    assert_eq!(database.applied(), "1,2?");
    assert!(!answer.to_string().contains(&database.password));
    app.serves("v1");
    app.run(&["deploy", "--version", "v2"]).exits(3).error("schema-hold");
    app.run(&["unlock"]).exits(0);
    database.ask("alter table orders drop column paid");
    database.ask("delete from _sqlx_migrations where version = 2");
    write(&app, "2_paid.sql", "alter table orders add column paid boolean;");
    app.run(&["deploy", "--version", "v2"]).exits(0);
    assert_eq!(database.applied(), "1,2");
    app.serves("v2");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_mariadb_a_lock_is_waited_for_as_long_as_is_said_and_two_runs_do_not_meet() {
    let Some(database) = Database::make("a migration waits in MariaDB", "waits").await else { return };
    let app = database.app(", lock-timeout: 2s", &[ORDERS]);
    app.run(&["deploy", "--version", "v1"]).exits(0);
    let mut held = database
        .command(&database.name, "begin; select count(*) from orders; select sleep(12); commit")
        .spawn()
        .unwrap();
    while database.ask("select count(*) from information_schema.processlist where info like '%sleep(12)%' and info not like '%processlist%'") != "1" {
        thread::sleep(Duration::from_millis(50));
    }
    write(&app, "2_paid.sql", "alter table orders add column paid boolean;");
    let began = Instant::now();
    let answer = app.json(&["deploy", "--version", "v2"]);
    assert_eq!(answer["outcome"], "rolled-back", "{answer:#}");
    tells(answer["sentence"].as_str().unwrap(), &["Lock wait timeout exceeded"]);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    app.serves("v1");
    held.wait().unwrap();
    if answer["reason"] == "migration-partly-applied" {
        app.run(&["unlock"]).exits(0);
        database.ask("delete from _sqlx_migrations where version = 2");
    }
    app.run(&["deploy", "--version", "v2"]).exits(0);
    let slow = ("3_slow.sql", "create table once (id int); select sleep(3);");
    write(&app, slow.0, slow.1);
    let other =
        database.app("", &[ORDERS, ("2_paid.sql", "alter table orders add column paid boolean;"), slow]);
    let (first, second) =
        (app.start(&["deploy", "--version", "v3"]), other.start(&["deploy", "--version", "v3"]));
    let (first, second) = (first.end().exits(0), second.end().exits(0));
    let ran = [&first, &second].map(|said| said.err.contains("migration 3 (slow) has run"));
    assert!(ran[0] != ran[1], "one of them runs it:\n{}\n{}", first.err, second.err);
    assert_eq!(database.applied(), "1,2,3");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_mariadb_what_a_killed_run_was_migrating_is_never_run_twice() {
    let Some(database) = Database::make("killed while it migrates MariaDB", "killed").await else { return };
    let app = database.app("", &[ORDERS]);
    app.run(&["deploy", "--version", "v1"]).exits(0);
    write(&app, "2_paid.sql", "create table twice (id int); select sleep(4); insert into twice values (1);");
    let deploy = app.start(&["deploy", "--version", "v2"]);
    deploy.until("migration 1 of 1");
    thread::sleep(Duration::from_secs(1));
    deploy.signal(Signal::KILL);
    deploy.end();
    let resumed = app.json(&["resume"]);
    assert_eq!(reason(&resumed), ("rolled-back", "migration-partly-applied"), "{resumed:#}");
    assert_eq!(database.applied(), "1,2?");
    app.serves("v1");
    assert!(app.json(&["status"])["schema_hold"].is_string());
}
