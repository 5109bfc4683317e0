//! Migrations as users meet them, with SQLite and with programs: what runs when, what is refused, and what a person then types.

use std::fs;

use sqlx::{Connection as _, Row as _, SqliteConnection};

use super::kit::{App, Config, tells};

const SQL: &str = "    migrate: { sql: migrations, database: $DATABASE_URL }\n";

/// An app of whose environment `more` is a part, with a database of its own and these migrations.
fn app(more: &str, files: &[(&str, &str)]) -> App {
    let config = Config { more: more.to_owned(), ..Config::default() };
    let mut app = App::new(&config);
    fs::create_dir(app.path("migrations")).unwrap();
    files.iter().for_each(|(name, text)| write(&app, name, text));
    let url = format!("sqlite://{}?mode=rwc", app.path("shop.db").display());
    app.variable("DATABASE_URL", &url);
    app
}

fn write(app: &App, name: &str, text: &str) {
    fs::write(app.path("migrations").join(name), text).unwrap();
}

/// The first column of each row.
fn ask(app: &App, query: &str) -> Vec<String> {
    let url = format!("sqlite://{}", app.path("shop.db").display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        let rows = sqlx::query(query).fetch_all(&mut connection).await.unwrap();
        rows.iter().map(|row| row.get::<String, _>(0)).collect()
    })
}

fn tables(app: &App) -> Vec<String> {
    ask(
        app,
        "select name from sqlite_master where type = 'table' and name not like '\\_%' escape '\\' order by name",
    )
}

const ORDERS: (&str, &str) = ("0001_orders.sql", "create table orders (id integer primary key);");
const NOTES: (&str, &str) = ("0002_notes.up.sql", "create table notes (id integer primary key);");
const AWAY: (&str, &str) = ("0003_away.sql", "-- tidegate: contract\ndrop table orders;");

#[test]
fn what_is_pending_is_shown_run_once_and_named() {
    let app = app(SQL, &[ORDERS, NOTES]);
    let plan = app.json(&["plan", "--version", "v1"]);
    let pending: Vec<_> =
        plan["migrations"].as_array().unwrap().iter().map(|one| one["version"].as_i64().unwrap()).collect();
    assert_eq!(pending, [1, 2], "{plan:#}");
    assert!(plan["steps"][0].as_str().unwrap().contains("migrate the database (expand)"), "{plan:#}");
    assert!(!app.path("shop.db").exists() || tables(&app).is_empty(), "a plan writes nothing");
    let said = app.run(&["deploy", "--version", "v1"]).exits(0);
    tells(
        &said.err,
        &["migration 1 of 2: 1 (orders)", "2 migrations have run (expand): 1 (orders), 2 (notes)"],
    );
    assert_eq!(tables(&app), ["notes", "orders"]);
    app.serves("v1");
    let plan = app.json(&["plan", "--version", "v2"]);
    assert_eq!(plan["migrations"], serde_json::json!([]), "{plan:#}");
    let said = app.run(&["deploy", "--version", "v2"]).exits(0);
    tells(&said.err, &["the database has all migrations of the phase expand"]);
}

/// Other migrations are another release, also with the same program under the same version.
#[test]
fn a_new_migration_alone_is_deployed() {
    let app = app(SQL, &[ORDERS]);
    app.run(&["deploy", "--version", "v1"]).exits(0);
    assert_eq!(app.json(&["deploy", "--version", "v1"])["reason"], "already-live");
    write(&app, NOTES.0, NOTES.1);
    assert_eq!(app.json(&["deploy", "--version", "v1"])["reason"], "promoted");
    assert_eq!(tables(&app), ["notes", "orders"]);
}

#[test]
fn after_a_contract_migration_an_older_release_is_not_gone_back_to_by_mistake() {
    let app = app(SQL, &[ORDERS]);
    app.run(&["deploy", "--version", "v1"]).exits(0);
    write(&app, AWAY.0, AWAY.1);
    let plan = app.json(&["plan", "--version", "v2"]);
    tells(plan["way_back"].as_str().unwrap(), &["once its contract migrations have run, no more"]);
    let steps = plan["steps"].as_array().unwrap();
    assert_eq!(steps.last().unwrap(), "migrate the database (contract)", "{plan:#}");
    app.run(&["deploy", "--version", "v2"]).exits(0);
    assert!(tables(&app).is_empty());
    let refused = app.run(&["rollback"]).exits(3);
    tells(refused.error("not-rollback-safe"), &["v1 cannot be gone back to", "3 (away) of v2", "--force"]);
    app.serves("v2");
    // Also from a checkout of its commit, which has no such file.
    fs::remove_file(app.path("migrations").join(AWAY.0)).unwrap();
    let again = app.run(&["deploy", "--version", "v1"]).exits(3);
    tells(again.error("not-rollback-safe"), &["v1"]);
    app.run(&["rollback", "--force"]).exits(0);
    app.serves("v1");
}

#[test]
fn a_migration_that_fails_leaves_database_and_release_as_they_were() {
    let app = app(SQL, &[ORDERS]);
    app.run(&["deploy", "--version", "v1"]).exits(0);
    write(&app, "0002_bad.sql", "create table half (id integer);\ninsert into nowhere values (1);");
    let said = app.json(&["deploy", "--version", "v2"]);
    assert_eq!(
        (&said["outcome"], &said["reason"]),
        (&"rolled-back".into(), &"migration-failed".into()),
        "{said:#}"
    );
    tells(said["sentence"].as_str().unwrap(), &["0002_bad.sql", "no such table: nowhere", "changed nothing"]);
    assert_eq!(tables(&app), ["orders"]);
    app.serves("v1");
    write(&app, "0002_bad.sql", NOTES.1);
    app.run(&["deploy", "--version", "v2"]).exits(0);
    assert_eq!(tables(&app), ["notes", "orders"]);
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_changed() {
    let mut app = app(SQL, &[ORDERS]);
    app.run(&["deploy", "--version", "v1"]).exits(0);
    let refused = |app: &App, code: i32, reason: &str, words: &[&str]| {
        let said = app.run(&["deploy", "--version", "v2"]).exits(code);
        tells(said.error(reason), words);
        app.serves("v1");
        assert_eq!(app.history(), ["v1 promoted"]);
    };
    write(&app, ORDERS.0, "create table orders (id integer primary key, note text);");
    refused(
        &app,
        3,
        "migration-changed",
        &["0001_orders.sql", "has changed since it ran", "nothing was changed"],
    );
    fs::rename(app.path("migrations/0001_orders.sql"), app.path("migrations/0007_orders.sql")).unwrap();
    refused(&app, 3, "migration-missing", &["the database has migration 1", "ignore-missing"]);
    fs::remove_file(app.path("migrations/0007_orders.sql")).unwrap();
    refused(&app, 2, "no-migrations", &["NUMBER_NAME.sql"]);
    write(&app, ORDERS.0, ORDERS.1);
    write(&app, "0002_drop.sql", "drop table orders;");
    refused(&app, 2, "migration-mark", &["0002_drop.sql:1", "-- tidegate: contract"]);
    write(&app, "0002_drop.sql", "-- tidegate: contract\ndrop table orders;");
    write(&app, "0003_notes.sql", NOTES.1);
    refused(&app, 3, "migration-order", &["0002_drop.sql takes away", "0003_notes.sql"]);
    fs::remove_file(app.path("migrations/0002_drop.sql")).unwrap();
    app.variable("DATABASE_URL", "");
    refused(&app, 3, "no-database-url", &["$DATABASE_URL, which is not set"]);
    app.variable("DATABASE_URL", "oracle://scott:tiger@example/x");
    let said = app.run(&["deploy", "--version", "v2"]).exits(3);
    tells(said.error("database-url"), &["postgres://, mysql:// or sqlite:"]);
    assert!(!said.err.contains("tiger"), "{}", said.err);
    app.variable("DATABASE_URL", "postgres://ann:tiger@127.0.0.1:1/shop");
    let said = app.run(&["deploy", "--version", "v2"]).exits(1);
    tells(said.error("database-unreachable"), &["cannot be reached"]);
    assert!(!said.err.contains("tiger"), "{}", said.err);
    let plan = app.json(&["plan", "--version", "v2"]);
    assert_eq!(plan["problems"][0]["code"], "database-unreachable", "{plan:#}");
}

#[test]
fn a_program_that_fails_holds_deploys_until_a_person_answers_for_the_database() {
    let script = |line: &str| Config {
        more: format!("    migrate: {{ command: [sh, -c, \"{line}\"] }}\n"),
        ..Config::default()
    };
    let app = App::live(&script("true"));
    app.write(&script("echo $TIDEGATE_VERSION $TIDEGATE_PHASE; echo to the rocks >&2; exit 3"));
    let said = app.json(&["deploy", "--version", "v2"]);
    assert_eq!(
        (&said["outcome"], &said["reason"]),
        (&"rolled-back".into(), &"migration-unknown".into()),
        "{said:#}"
    );
    tells(said["sentence"].as_str().unwrap(), &["`sh` failed (exit code 3)", "tidegate unlock dev"]);
    let tail = said["log_tail"].to_string();
    tells(&tail, &["v2 expand", "to the rocks"]);
    app.serves("v1");
    app.write(&script("true"));
    let refused = app.run(&["deploy", "--version", "v2"]).exits(3);
    tells(
        refused.error("schema-hold"),
        &["before a person has looked at its database", "with v2", "tidegate unlock dev"],
    );
    assert!(app.json(&["status"])["schema_hold"].as_str().unwrap().contains("cannot be told"));
    // Who takes the lock from a run does not answer for the database by that.
    app.run(&["unlock", "--force"]).exits(0);
    assert!(app.json(&["status"])["schema_hold"].is_string());
    let opened = app.run(&["unlock"]).exits(0);
    tells(&opened.out, &["dev is open again", "v2"]);
    assert!(app.json(&["status"])["schema_hold"].is_null());
    app.run(&["deploy", "--version", "v2"]).exits(0);
    app.serves("v2");
    // One that does all or nothing needs nobody.
    let atomic = Config {
        more: "    migrate: { command: \"false\", atomic: true }\n".to_owned(),
        ..Config::default()
    };
    app.write(&atomic);
    assert_eq!(app.json(&["deploy", "--version", "v3"])["reason"], "migration-failed");
    assert!(app.json(&["status"])["schema_hold"].is_null());
}

#[test]
fn a_backup_is_taken_first_and_without_it_nothing_is_changed() {
    let with =
        |backup: &str| SQL.replace(" }\n", &format!(", backup: {{ command: [sh, -c, \"{backup}\"] }} }}\n"));
    let app = app(&with("echo no room >&2; exit 1"), &[ORDERS]);
    let said = app.json(&["deploy", "--version", "v1"]);
    assert_eq!((&said["outcome"], &said["reason"]), (&"failed".into(), &"backup-failed".into()), "{said:#}");
    tells(said["sentence"].as_str().unwrap(), &["no backup was taken", "no room"]);
    assert!(tables(&app).is_empty());
    app.write(&Config { more: with("echo saved; echo s3://backups/shop"), ..Config::default() });
    let said = app.run(&["deploy", "--version", "v1"]).exits(0);
    tells(&said.err, &["a backup of the state at", "lies in s3://backups/shop"]);
    let said = app.run(&["deploy", "--version", "v2"]).exits(0);
    assert!(!said.err.contains("backup"), "nothing is pending, and nothing is saved: {}", said.err);
}
