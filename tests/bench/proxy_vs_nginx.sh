#!/usr/bin/env bash
# The router of the `local` target against nginx: the same small answers, the same instance, the same load, in turns.
#
# Needs: nginx, wrk, cargo. One JSON line for each run, then one line of ratios for each number of workers.
# `per_cpu_second` is requests divided by the processor time that the router's own processes took. It says what one core can
# carry and, unlike requests a second, hardly depends on what else runs on the machine; the ratio to believe is that one.
#
# Environment: SECONDS_EACH (5), CONNECTIONS (64), ROUNDS (3), WORKERS ("1 2"), PROXY_BENCH (path of a built bench program).
set -euo pipefail
cd "$(dirname "$0")/../.."

each=${SECONDS_EACH:-5} connections=${CONNECTIONS:-64} rounds=${ROUNDS:-3} workers_list=${WORKERS:-1 2}
if [[ -z ${PROXY_BENCH:-} ]]; then
  PROXY_BENCH=$(cargo bench --bench proxy --no-run --message-format=json 2>/dev/null |
    sed -n 's/.*"name":"proxy".*"executable":"\([^"]*\)".*/\1/p' | tail -1)
fi
scratch=$(mktemp -d)
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait
  rm -rf "$scratch"
}
trap finish EXIT

instance=127.0.0.1:18991 ours=127.0.0.1:18992 nginx=127.0.0.1:18993

start() { # start ADDRESS COMMAND...: runs in the background and waits until it accepts
  local address=$1; shift
  "$@" & pids+=("$!")
  for _ in $(seq 100); do
    if (exec 3<>"/dev/tcp/${address/:/\/}") 2>/dev/null; then return; fi
    sleep 0.05
  done
  echo "nothing accepts at $address: $*" >&2; exit 1
}

stop_last() { local pid=${pids[-1]}; unset 'pids[-1]'; kill "$pid"; wait "$pid" 2>/dev/null || true; }

ticks() { # processor time of a process and its children that live, in clock ticks
  local total=0 pid
  for pid in "$1" $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
    total=$((total + $(awk '{print $14 + $15}' "/proc/$pid/stat" 2>/dev/null || echo 0)))
  done
  echo "$total"
}

nginx_conf() {
  cat <<CONF
worker_processes $1;
daemon off;
pid $scratch/nginx.pid;
error_log /dev/null;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path $scratch/a; proxy_temp_path $scratch/b; fastcgi_temp_path $scratch/c;
  uwsgi_temp_path $scratch/d; scgi_temp_path $scratch/e;
  upstream app { server $instance; keepalive 512; keepalive_requests 1000000000; }
  server {
    listen $nginx;
    location / {
      proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host \$host;
      proxy_set_header X-Forwarded-For \$remote_addr;
      proxy_set_header X-Forwarded-Proto \$scheme;
      proxy_set_header X-Forwarded-Host \$host;
      add_header x-tidegate-version 1.0.0;
    }
  }
}
CONF
}

measure() { # measure NAME WORKERS ADDRESS
  local pid=${pids[-1]} before after
  wrk -t1 -c"$connections" -d1s "http://$3/" >/dev/null
  before=$(ticks "$pid")
  wrk -t1 -c"$connections" -d"${each}s" --latency "http://$3/" >"$scratch/wrk"
  after=$(ticks "$pid")
  awk -v name="$1" -v workers="$2" -v ticks=$((after - before)) -v hertz="$(getconf CLK_TCK)" '
    function ms(text) { return text ~ /us$/ ? text / 1000 : text ~ /ms$/ ? text + 0 : text * 1000 }
    /^ *99%/ { p99 = ms($2) }
    /requests in/ { requests = $1 }
    /^Requests\/sec/ { rate = $2 }
    /Non-2xx|Socket errors/ { bad = 1 }
    END {
      printf "{\"router\":\"%s\",\"workers\":%d,\"requests_per_second\":%d,\"p99_ms\":%.2f,\"cpu_seconds\":%.2f,\"per_cpu_second\":%d,\"errors\":%s}\n",
        name, workers, rate, p99, ticks / hertz, requests / (ticks / hertz), bad ? "true" : "false"
    }' "$scratch/wrk" | tee -a "$scratch/all"
}

start "$instance" "$PROXY_BENCH" --instance "$instance"
for workers in $workers_list; do
  nginx_conf "$workers" >"$scratch/nginx.conf"
  for _ in $(seq "$rounds"); do
    start "$nginx" nginx -c "$scratch/nginx.conf"
    measure nginx "$workers" "$nginx"
    stop_last
    start "$ours" "$PROXY_BENCH" --route "$ours" "$workers" "$instance"
    measure tidegate "$workers" "$ours"
    stop_last
  done
done
for workers in $workers_list; do
  awk -v workers="$workers" -F'[:,}]' '
    # The best of the rounds: what disturbs a run only ever makes it slower.
    $4 == workers {
      name = $2; gsub(/"/, "", name)
      if ($6 > rate[name]) rate[name] = $6
      if ($12 > core[name]) core[name] = $12
      if (!(name in p99) || $8 < p99[name]) p99[name] = $8
    }
    END {
      printf "{\"workers\":%d,\"requests_per_second\":%.2f,\"per_cpu_second\":%.2f,\"p99\":%.2f,\"of\":\"tidegate / nginx\"}\n",
        workers, rate["tidegate"] / rate["nginx"], core["tidegate"] / core["nginx"], p99["tidegate"] / p99["nginx"]
    }' "$scratch/all"
done
