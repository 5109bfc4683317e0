//! Previews with databases of their own, in PostgreSQL and MariaDB: made, filled and kept with the preview, and gone with it.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;
use testbed::{Bed, Part, address};

use super::{bed, tried};
use crate::commands::kit::{App, TIDEGATE, tells};
use crate::commands::preview::ports;

/// A server that databases of previews are made on.
struct Server {
    bed: Bed,
    part: Part,
    /// Whom Tidegate makes them as, who may no more than that.
    maker: Option<String>,
}

impl Server {
    async fn open(test: &str, part: Part) -> Option<Self> {
        let bed = bed(test, &[part]).await?;
        Some(Self { bed, part, maker: None })
    }

    /// With somebody who is no superuser.
    fn with_maker(mut self) -> Self {
        let name = format!("maker{}", std::process::id());
        self.ask(&format!("create role {name} login createdb createrole password 'Making-1'"));
        self.maker = Some(format!("postgres://{name}:Making-1@{}/postgres", address::BED));
        self
    }

    fn is_postgres(&self) -> bool {
        self.part == Part::Postgres
    }

    fn url(&self) -> String {
        if self.is_postgres() {
            format!("postgres://postgres:{}@{}/postgres", self.bed.database_password().unwrap(), address::BED)
        } else {
            format!("mysql://tidegate:{}@{}/", self.bed.mariadb_password().unwrap(), address::BED)
        }
    }

    /// Who runs a statement by a URL.
    fn client(&self, url: &str, line: &str) -> Command {
        let url = reqwest::Url::parse(url).unwrap();
        let (user, password, database) =
            (url.username(), url.password().unwrap(), url.path().trim_start_matches('/'));
        let host = address::BED.to_string();
        if self.is_postgres() {
            let mut psql = Command::new("psql");
            psql.args(["-h", &host, "-U", user, "-d", database, "-v", "ON_ERROR_STOP=1", "-qAt", "-c", line]);
            psql.env("PGPASSWORD", password);
            psql
        } else {
            let mut mariadb = self.bed.inside("mariadb").unwrap();
            mariadb.args(["--no-defaults", "-h", &host, "-u", user, "-N", "-B", "-e", line]);
            mariadb.args(Some(database).filter(|name| !name.is_empty()));
            mariadb.env("MYSQL_PWD", password);
            mariadb
        }
    }

    /// What a statement gives, by a URL, whoever that names; `None` where it is refused.
    fn by(&self, url: &str, line: &str) -> Option<String> {
        let mut client = self.client(url, line);
        let output = tried(&mut client);
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    }

    fn ask(&self, line: &str) -> String {
        self.by(&self.url(), line).unwrap_or_else(|| panic!("{line} is refused"))
    }

    /// Databases and users whose names begin so.
    fn left(&self, prefix: &str) -> String {
        let (databases, users) = if self.is_postgres() {
            (
                "select count(*) from pg_database where datname like",
                "select count(*) from pg_roles where rolname like",
            )
        } else {
            (
                "select count(*) from information_schema.schemata where schema_name like",
                "select count(*) from mysql.user where user like",
            )
        };
        let count = |of: &str| self.ask(&format!("{of} '{prefix}%'"));
        format!("{} databases, {} users", count(databases), count(users))
    }
}

/// An app of previews with databases of their own, and the beginning of their names.
fn shop(server: &Server, name: &str) -> (App, String) {
    let mut app = App::new(&crate::commands::kit::Config::default());
    let app_name = format!("{name}{}", std::process::id());
    let (first, last) = ports();
    app.write_text(&format!(
        "app: {app_name}
environments:
  preview:
    on: pull_request
    database: {{ server: $PREVIEW_SERVER, seed: seed.sql, seed-command: [./fill] }}
    migrate: {{ sql: migrations, database: $DATABASE_URL }}
    target:
      local:
        command: [{TIDEGATE:?}, sample-app]
        listen: \"127.0.0.1:{{port}}\"
        env: {{ DATABASE_URL: $DATABASE_URL }}
        stop-grace: 2s
    health: {{ get: /health, within: 900ms, every: 200ms, start-within: 20s }}
    ports: {first}-{last}
    limit: 3
"
    ));
    fs::write(
        app.path("seed.sql"),
        "create table items (name varchar(20)); insert into items values ('seed');",
    )
    .unwrap();
    fill(&app, "test \"${DATABASE_URL#*://}\" != \"$DATABASE_URL\"");
    fs::create_dir(app.path("migrations")).unwrap();
    fs::write(app.path("migrations/1_more.sql"), "insert into items values ('migration');").unwrap();
    app.variable("PREVIEW_SERVER", &server.maker.clone().unwrap_or_else(|| server.url()));
    // The one of another environment, which no preview is to reach.
    app.variable("DATABASE_URL", "postgres://nobody:nothing@127.0.0.1:1/production");
    (app, app_name)
}

fn fill(app: &App, line: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let file = app.path("fill");
    fs::write(&file, format!("#!/bin/sh\n{line}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
}

fn up(app: &App, number: &str) -> Value {
    app.json(&["preview", "up", number, "--branch", "x", "--version", "v1"])
}

/// The URL that a preview has.
fn url(app: &App, number: u64) -> String {
    fs::read_to_string(app.path(".tidegate").join(format!("preview-{number}/database.url"))).unwrap()
}

const ITEMS: &str = "select name from items order by name";

fn lives_and_goes(server: &Server, name: &str) {
    let (app, prefix) = shop(server, name);
    let one = up(&app, "7");
    assert_eq!(one["outcome"], "promoted", "{one:#}");
    let own = url(&app, 7);
    assert_eq!(server.by(&own, ITEMS).unwrap(), "migration\nseed");
    // Named by hand it is the same environment, whose variable is never another one's.
    let again = app.json(&["deploy", "preview-7", "--version", "v2"]);
    assert_eq!(again["outcome"], "promoted", "{again:#}");
    // What runs has it, and no other.
    let instance = app.processes().into_iter().find_map(|pid| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let text = String::from_utf8_lossy(&environment).into_owned();
        text.split('\0').find_map(|entry| entry.strip_prefix("DATABASE_URL=").map(str::to_owned))
    });
    assert_eq!(instance.as_deref(), Some(own.as_str()));
    // A push keeps what is in it, and another preview's is another one.
    server.by(&own, "insert into items values ('kept')").unwrap();
    assert_eq!(up(&app, "7")["exit_code"], 0);
    assert_eq!(
        (url(&app, 7), server.by(&own, ITEMS).unwrap()),
        (own.clone(), "kept\nmigration\nseed".to_owned())
    );
    assert_eq!(up(&app, "8")["outcome"], "promoted");
    let other = reqwest::Url::parse(&url(&app, 8)).unwrap();
    let mut trespass = reqwest::Url::parse(&own).unwrap();
    trespass.set_path(other.path());
    assert_eq!(server.by(trespass.as_str(), ITEMS), None, "one preview reaches the other's database");
    // Another sweep, of another state directory, knows nothing of where they are.
    let elsewhere = app.path("elsewhere");
    let shown = app.json(&["--state-dir", elsewhere.to_str().unwrap(), "preview", "sweep"]);
    assert_eq!(shown["databases"].as_array().unwrap().len(), 0, "{shown:#}");
    is_lost_and_goes(server, &app, &prefix, &own);
}

/// The second half: what a word that is lost, a home that goes, and a sweep come to.
fn is_lost_and_goes(server: &Server, app: &App, prefix: &str, own: &str) {
    // The word that leads to it is lost: another password is made, and what is in it stays.
    fs::remove_file(app.path(".tidegate").join("preview-7/database.url")).unwrap();
    let refused = app.run(&["deploy", "preview-7", "--version", "v3"]).exits(3);
    tells(
        refused.error("no-database-url"),
        &["$DATABASE_URL is the preview's own database, which is not made"],
    );
    assert_eq!(up(app, "7")["exit_code"], 0);
    assert_ne!(url(app, 7), own);
    assert_eq!(server.by(own, ITEMS), None, "the old password");
    assert_eq!(server.by(&url(app, 7), ITEMS).unwrap(), "kept\nmigration\nseed");
    // No password in anything that is told or kept but that file.
    let told = app.run(&["history", "preview-7", "-n", "20", "--events"]).exits(0);
    let password = reqwest::Url::parse(&url(app, 7)).unwrap().password().unwrap().to_owned();
    assert!(!told.out.contains(&password) && !told.err.contains(&password));
    let holds = |path: &&std::path::PathBuf| {
        fs::read(path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(&password))
    };
    let files = crate::commands::kit::files(&app.path(".tidegate"));
    let kept: Vec<String> = files
        .iter()
        .filter(holds)
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(kept, ["database.url"]);
    // Somebody is in the middle of something when it goes.
    let mut busy = server.client(
        &url(app, 7),
        if server.is_postgres() {
            "begin; select * from items; select pg_sleep(60)"
        } else {
            "begin; select * from items; select sleep(60)"
        },
    );
    let mut busy = busy.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(700));
    app.run(&["preview", "down", "7"]).exits(0);
    busy.wait().unwrap();
    assert_eq!(server.left(&format!("{prefix}_preview_7")), "0 databases, 0 users");
    assert_eq!(server.by(&url(app, 8), ITEMS).unwrap(), "migration\nseed");
    // The other one's home is taken away past Tidegate: the sweep finds what is left.
    app.run(&["local", "stop", "preview-8"]).exits(0);
    fs::remove_dir_all(app.path(".tidegate").join("preview-8")).unwrap();
    let shown = app.json(&["preview", "sweep", "--dry-run"]);
    assert_eq!(
        (&shown["databases"][0]["pull"], &shown["databases"][0]["is_dropped"]),
        (&8.into(), &false.into())
    );
    assert_eq!(server.left(prefix), "1 databases, 1 users");
    let swept = app.json(&["preview", "sweep"]);
    assert_eq!(swept["databases"][0]["is_dropped"], true, "{swept:#}");
    assert_eq!(server.left(prefix), "0 databases, 0 users");
}

fn fails_and_is_made_anew(server: &Server, name: &str) {
    let (app, prefix) = shop(server, name);
    fill(&app, "echo \"cannot fill $DATABASE_URL of '$PREVIEW_SERVER'\"; exit 3");
    let failed = app.run(&["preview", "up", "7", "--branch", "x", "--version", "v1"]).exits(1);
    tells(failed.error("seed-failed"), &["`./fill` exit code 3", "cannot fill … of ''"]);
    assert_eq!(app.json(&["preview", "list"])["previews"][0]["stage"], "failed");
    fs::write(app.path("seed.sql"), "create table items (name varchar(20)); insert into nothing values (1);")
        .unwrap();
    fill(&app, "true");
    let failed = app.run(&["preview", "up", "7", "--branch", "x", "--version", "v1"]).exits(1);
    tells(failed.error("seed-failed"), &["seed.sql", "nothing"]);
    fs::write(
        app.path("seed.sql"),
        "create table items (name varchar(20)); insert into items values ('seed');",
    )
    .unwrap();
    assert_eq!(up(&app, "7")["outcome"], "promoted");
    assert_eq!(server.by(&url(&app, 7), ITEMS).unwrap(), "migration\nseed");
    // The server is not known to whoever takes it away: nothing of it goes, so that the next one finds it.
    let mut blind = app.command(&["preview", "down", "7"]);
    let output = blind.env_remove("PREVIEW_SERVER").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(app.json(&["preview", "list"])["previews"][0]["stage"], "falling");
    app.run(&["preview", "sweep"]);
    assert_eq!(server.left(&prefix), "0 databases, 0 users");
    // Somebody's database has the name.
    server.ask(&format!("create database {prefix}_preview_8"));
    let refused = app.run(&["preview", "up", "8", "--branch", "x", "--version", "v1"]).exits(3);
    tells(
        refused.error("foreign-database"),
        &[&format!("{prefix}_preview_8"), "$PREVIEW_SERVER", "left alone"],
    );
    app.run(&["preview", "down", "8"]).exits(0);
    assert_eq!(server.left(&prefix), "1 databases, 0 users");
    server.ask(&format!("drop database {prefix}_preview_8"));
    // A server that is not there.
    let mut app = app;
    app.variable("PREVIEW_SERVER", "postgres://maker:moonlight@127.0.0.1:1/postgres");
    let failed = app.run(&["preview", "up", "9", "--branch", "x", "--version", "v1"]).exits(1);
    let told = failed.error("database-unreachable").to_owned();
    assert!(!told.contains("moonlight"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_has_a_database_of_its_own_in_postgresql() {
    let Some(server) = Server::open("previews have databases in PostgreSQL", Part::Postgres).await else {
        return;
    };
    fails_and_is_made_anew(&server, "pgf");
    let server = server.with_maker();
    lives_and_goes(&server, "pg");
    server.ask(&format!("drop role maker{}", std::process::id()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_has_a_database_of_its_own_in_mariadb() {
    let Some(server) = Server::open("previews have databases in MariaDB", Part::MariaDb).await else {
        return;
    };
    lives_and_goes(&server, "my");
    fails_and_is_made_anew(&server, "myf");
}
