//! Who keeps a statement waiting, asked by a second connection. Only PostgreSQL tells.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::connection::Connection;

/// Between two looks.
const EVERY: Duration = Duration::from_millis(300);
/// Nothing that only helps to explain takes longer.
const AT_MOST: Duration = Duration::from_secs(3);

/// Whoever keeps the process waiting, with what is known of them. Never what they asked, which may hold secrets.
const BLOCKERS: &str = "SELECT a.pid, coalesce(nullif(a.application_name, ''), 'an unnamed program'), \
    coalesce(a.usename::text, '?'), coalesce(a.state, '?'), \
    coalesce(extract(epoch FROM now() - a.xact_start), 0)::float8 \
    FROM unnest(pg_blocking_pids($1)) AS b(pid) JOIN pg_stat_activity AS a ON a.pid = b.pid ORDER BY a.xact_start LIMIT 1";

/// Whoever else holds an advisory lock in this database: another run of migrations, most probably.
const HOLDERS: &str = "SELECT a.pid, coalesce(nullif(a.application_name, ''), 'an unnamed program'), \
    coalesce(a.usename::text, '?'), coalesce(a.state, '?'), \
    coalesce(extract(epoch FROM now() - a.xact_start), 0)::float8 \
    FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid \
    WHERE l.locktype = 'advisory' AND l.granted AND l.pid <> pg_backend_pid() \
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY a.xact_start LIMIT 1";

type Row = (i32, String, String, String, f64);

fn in_words((pid, program, user, state, seconds): Row) -> String {
    let since = Duration::from_secs_f64(seconds.max(0.0).round());
    format!("process {pid} of {user}, {program}, {state}, in a transaction for {since:?}")
}

/// Whoever holds the lock of migrations.
pub(super) async fn holder(connection: &mut Connection) -> Option<String> {
    let Connection::Postgres { connection, .. } = connection else { return None };
    let row = sqlx::query_as::<_, Row>(HOLDERS).fetch_optional(connection).await.ok()??;
    Some(in_words(row))
}

/// Ends the session of a connection that is given up, so that nothing of it goes on unseen.
pub(super) async fn end(connection: &Connection) {
    let Connection::Postgres { pid, options, .. } = connection else { return };
    let ended = async {
        let mut other = options.connect().await?;
        sqlx::query("SELECT pg_terminate_backend($1)").bind(pid).execute(&mut other).await?;
        other.close().await
    };
    // A session that cannot be ended from outside ends when its server finds the socket closed.
    let _ = tokio::time::timeout(AT_MOST, ended).await;
}

/// Looks after a statement while it runs.
pub(super) struct Lookout {
    seen: watch::Receiver<Option<String>>,
    task: JoinHandle<()>,
}

impl Lookout {
    /// For the statements of that connection; where nothing can be told, it sees nothing.
    pub(super) fn over(connection: &Connection) -> Option<Self> {
        let Connection::Postgres { pid, options, .. } = connection else { return None };
        let (pid, options) = (*pid, options.clone());
        let (tell, seen) = watch::channel(None);
        let task = tokio::spawn(async move {
            let _ = look(pid, &options, &tell).await;
        });
        Some(Self { seen, task })
    }

    /// The last one that it saw in the way.
    pub(super) fn last(&self) -> Option<String> {
        self.seen.borrow().clone()
    }

    /// Waits until another one is in the way.
    pub(super) async fn changed(&mut self) -> String {
        loop {
            if self.seen.changed().await.is_err() {
                return std::future::pending().await;
            }
            if let Some(blocker) = self.last() {
                return blocker;
            }
        }
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn look(
    pid: i32,
    options: &PgConnectOptions,
    tell: &watch::Sender<Option<String>>,
) -> Result<(), sqlx::Error> {
    // What is done within a moment needs nobody to look after it.
    tokio::time::sleep(EVERY).await;
    let mut connection: PgConnection = options.connect().await?;
    loop {
        let row = sqlx::query_as::<_, Row>(BLOCKERS).bind(pid).fetch_optional(&mut connection).await?;
        if let Some(row) = row {
            let (found, known) = (row.0, tell.borrow().clone());
            let words = in_words(row);
            let is_known = known.is_some_and(|known| known.starts_with(&format!("process {found} ")));
            tell.send_if_modified(|seen| {
                *seen = Some(words);
                !is_known
            });
        }
        tokio::time::sleep(EVERY).await;
    }
}
