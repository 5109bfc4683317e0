//! Migrations in PostgreSQL, by the command that users type: failing half way, waiting for a lock, two at once, killed in the middle.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use testbed::{Bed, Part, address};

use super::{bed, tried};
use crate::commands::kit::{App, Config, tells};

/// A database of its own.
struct Database {
    name: String,
    password: String,
}

impl Database {
    async fn make(test: &str, name: &str) -> Option<Self> {
        let bed: Bed = bed(test, &[Part::Postgres]).await?;
        let password = bed.database_password().unwrap();
        let database = Self { name: format!("{name}_{}", std::process::id()), password };
        database.on("postgres", &format!("create database {}", database.name));
        Some(database)
    }

    fn command(&self, database: &str, line: &str) -> Command {
        let mut psql = Command::new("psql");
        let host = address::BED.to_string();
        psql.args([
            "-h",
            &host,
            "-U",
            "postgres",
            "-d",
            database,
            "-v",
            "ON_ERROR_STOP=1",
            "-qAt",
            "-c",
            line,
        ]);
        psql.env("PGPASSWORD", &self.password).env("PGAPPNAME", "the shop's report");
        psql
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
        migrating(
            &format!("postgres://postgres:{}@{}/{}", self.password, address::BED, self.name),
            more,
            files,
        )
    }

    fn applied(&self) -> String {
        self.ask("select coalesce(string_agg(version || case when success then '' else '?' end, ',' order by version), '') from _sqlx_migrations")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = tried(&mut self.command("postgres", &format!("drop database {} with (force)", self.name)));
    }
}

/// An app whose environment migrates the database of that URL, with these files.
pub(super) fn migrating(url: &str, more: &str, files: &[(&str, &str)]) -> App {
    let migrate = format!("    migrate: {{ sql: migrations, database: $DATABASE_URL{more} }}\n");
    let mut app = App::new(&Config { more: migrate, ..Config::default() });
    app.variable("DATABASE_URL", url);
    fs::create_dir(app.path("migrations")).unwrap();
    files.iter().for_each(|(name, text)| write(&app, name, text));
    app
}

/// Writes a file of the app's migrations.
pub(super) fn write(app: &App, name: &str, text: &str) {
    fs::write(app.path("migrations").join(name), text).unwrap();
}

/// How a rollout ended, and why.
pub(super) fn reason(answer: &Value) -> (&str, &str) {
    (answer["outcome"].as_str().unwrap(), answer["reason"].as_str().unwrap())
}

const ORDERS: (&str, &str) =
    ("1_orders.sql", "create table orders (id bigint generated always as identity primary key, note text);");

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_fails_half_way_leaves_nothing_or_holds() {
    let Some(database) = Database::make("a migration fails half way", "halfway").await else { return };
    let app = database.app("", &[ORDERS]);
    app.run(&["deploy", "--version", "v1"]).exits(0);
    database.ask("insert into orders (note) values ('same'), ('same')");
    // In a transaction.
    write(&app, "2_paid.sql", "alter table orders add column paid boolean;\n\nselect 1 / 0;");
    let answer = app.json(&["deploy", "--version", "v2"]);
    assert_eq!(reason(&answer), ("rolled-back", "migration-failed"), "{answer:#}");
    tells(answer["sentence"].as_str().unwrap(), &["2_paid.sql", "division by zero", "changed nothing"]);
    let columns = "select string_agg(column_name, ',' order by column_name) from information_schema.columns where table_name = 'orders'";
    assert_eq!((database.ask(columns).as_str(), database.applied().as_str()), ("id,note", "1"));
    write(&app, "2_paid.sql", "alter table orders ad column paid boolean;");
    let answer = app.json(&["deploy", "--version", "v2"]);
    tells(answer["sentence"].as_str().unwrap(), &["2_paid.sql:1: syntax error at or near \"ad\""]);
    app.serves("v1");
    // Outside of one, as an index is made without a lock.
    write(&app, "2_paid.sql", "-- no-transaction\ncreate unique index concurrently notes on orders (note);");
    let answer = app.json(&["deploy", "--version", "v2"]);
    assert_eq!(reason(&answer), ("rolled-back", "migration-partly-applied"), "{answer:#}");
    tells(
        answer["sentence"].as_str().unwrap(),
        &["2 (paid) is partly applied", "could not create unique index", "unlock dev"],
    );
    assert_eq!(database.applied(), "1,2?");
    app.serves("v1");
    app.run(&["deploy", "--version", "v2"]).exits(3).error("schema-hold");
    app.run(&["unlock"]).exits(0);
    // A person has answered, and the ledger has not been told: it is asked, not they.
    let refused = app.run(&["deploy", "--version", "v2"]).exits(3);
    tells(refused.error("migration-partly-applied"), &["DELETE FROM _sqlx_migrations WHERE version = 2"]);
    database.ask("drop index notes");
    database.ask("DELETE FROM _sqlx_migrations WHERE version = 2");
    database.ask("delete from orders");
    app.run(&["deploy", "--version", "v2"]).exits(0);
    assert_eq!(database.applied(), "1,2");
    assert_eq!(database.ask("select indisvalid from pg_index where indexrelid = 'notes'::regclass"), "t");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_waits_for_a_lock_lets_the_others_pass_soon_and_names_who_holds_it() {
    let Some(database) = Database::make("a migration waits for a lock", "waits").await else { return };
    let app = database.app(", lock-timeout: 1500ms", &[ORDERS]);
    app.run(&["deploy", "--version", "v1"]).exits(0);
    let held = database
        .command(&database.name, "begin; select count(*) from orders; select pg_sleep(9); commit")
        .spawn();
    let mut held = held.unwrap();
    let sees = "select count(*) from pg_stat_activity where application_name like 'the shop%' and query like '%pg_sleep%' and pid <> pg_backend_pid()";
    while database.ask(sees) != "1" {
        thread::sleep(Duration::from_millis(50));
    }
    write(&app, "2_paid.sql", "alter table orders add column paid boolean;");
    let deploy = app.start(&["deploy", "--version", "v2"]);
    let mut longest = Duration::ZERO;
    let asked = Instant::now();
    while asked.elapsed() < Duration::from_secs(4) {
        let began = Instant::now();
        database.ask("select count(*) from orders");
        longest = longest.max(began.elapsed());
        assert_eq!(app.answering().as_deref(), Some("v1"));
    }
    let said = deploy.end().exits(4);
    tells(&said.err, &["waits for a lock that process ", "the shop's report", "it waited 1.5s for a lock"]);
    assert!(said.err.contains("migration-lock-timeout") || said.out.contains("lock"), "{}", said.err);
    assert!(longest < Duration::from_secs(3), "a query of the app waited {longest:?}");
    assert_eq!(database.applied(), "1");
    held.wait().unwrap();
    app.run(&["deploy", "--version", "v2"]).exits(0);
    assert_eq!(database.applied(), "1,2");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_deploys_at_once_one_migrates_and_the_other_waits() {
    let Some(database) = Database::make("two migrate at once", "twice").await else { return };
    let slow = ("1_slow.sql", "create table once (id int); select pg_sleep(4);");
    let (one, two) = (database.app("", &[slow]), database.app("", &[slow]));
    let (first, second) =
        (one.start(&["deploy", "--version", "v1"]), two.start(&["deploy", "--version", "v1"]));
    let (first, second) = (first.end().exits(0), second.end().exits(0));
    assert_eq!(database.applied(), "1");
    let ran = [&first, &second].map(|said| said.err.contains("migration 1 (slow) has run"));
    assert!(ran[0] != ran[1], "one of them runs it:\n{}\n{}", first.err, second.err);
    let other = if ran[0] { second } else { first };
    tells(&other.err, &["waits for another run of migrations", "tidegate shop v1", "has all migrations"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_run_was_migrating_is_taken_up_and_is_never_run_twice() {
    let Some(database) = Database::make("killed while it migrates", "killed").await else { return };
    let app = database.app("", &[ORDERS]);
    app.run(&["deploy", "--version", "v1"]).exits(0);
    let kill = |version: &str| {
        let deploy = app.start(&["deploy", "--version", version]);
        deploy.until("migration 1 of 1");
        thread::sleep(Duration::from_millis(700));
        deploy.signal(Signal::KILL);
        deploy.end();
    };
    // In a transaction: what was begun is undone, and it runs once more.
    write(&app, "2_paid.sql", "alter table orders add column paid boolean; select pg_sleep(3);");
    kill("v2");
    let resumed = app.run(&["resume"]).exits(0);
    tells(&resumed.err, &["migration 1 of 1: 2 (paid)"]);
    assert_eq!(database.applied(), "1,2");
    app.serves("v2");
    // The way back instead: nothing more is begun.
    write(&app, "3_sent.sql", "alter table orders add column sent boolean; select pg_sleep(3);");
    kill("v3");
    let back = app.json(&["abort"]);
    assert_eq!(reason(&back), ("rolled-back", "aborted"), "{back:#}");
    assert_eq!(database.applied(), "1,2");
    app.serves("v2");
    // Outside of a transaction nobody knows how far it came.
    write(&app, "3_sent.sql", "-- no-transaction\nselect pg_sleep(3);");
    kill("v3");
    let resumed = app.json(&["resume"]);
    assert_eq!(reason(&resumed), ("rolled-back", "migration-partly-applied"), "{resumed:#}");
    assert_eq!(database.applied(), "1,2,3?");
    app.serves("v2");
    assert!(app.json(&["status"])["schema_hold"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_breaks_a_migration_off_and_leaves_nothing_of_it() {
    let Some(database) = Database::make("a signal while it migrates", "signalled").await else { return };
    let app = database.app("", &[ORDERS]);
    app.run(&["deploy", "--version", "v1"]).exits(0);
    write(&app, "2_paid.sql", "alter table orders add column paid boolean; select pg_sleep(30);");
    let deploy = app.start(&["deploy", "--version", "v2"]);
    deploy.until("migration 1 of 1");
    let began = Instant::now();
    deploy.signal(Signal::INT);
    let said = deploy.end().exits(130);
    assert!(began.elapsed() < Duration::from_secs(7), "it took {:?}\n{}", began.elapsed(), said.err);
    assert_eq!(database.applied(), "1");
    let running = "select count(*) from pg_stat_activity where application_name like 'tidegate%' and datname = current_database()";
    assert_eq!(database.ask(running), "0", "nothing goes on in the database");
    app.serves("v1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_is_taken_and_read_back_before_anything_is_changed() {
    let Some(database) = Database::make("a backup", "saved").await else { return };
    let app = database.app(", backup: { dump: backups, restore-test: true }", &[ORDERS]);
    app.run(&["deploy", "--version", "v1"]).exits(0);
    database.ask("insert into orders (note) select 'n' || n from generate_series(1, 1000) n");
    write(&app, "2_paid.sql", "alter table orders add column paid boolean;");
    let said = app.run(&["deploy", "--version", "v2"]).exits(0);
    tells(&said.err, &["a backup of the state at", "bytes), taken in", "read back on trial in"]);
    assert!(!said.err.contains(&database.password), "{}", said.err);
    let dumps: Vec<_> = fs::read_dir(app.path("backups")).unwrap().map(|entry| entry.unwrap()).collect();
    assert_eq!(dumps.len(), 2, "one before each change: {dumps:?}");
    assert!(dumps.iter().all(|dump| dump.metadata().unwrap().len() > 500));
    let left = "select count(*) from pg_database where datname like 'tidegate_restore%'";
    assert_eq!(database.ask(left), "0", "what was made on trial is gone");
}
