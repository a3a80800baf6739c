#!/bin/bash
# SPDX-License-Identifier: MIT
# sqlite3: a database with indices, triggers, full text, a write-ahead log, mapped reads, vacuum, backup, and two shells at once.
set -eu
rows=${1:-60000}
sqlite3 base.db <<SQL
PRAGMA journal_mode=WAL;
PRAGMA mmap_size=100000000;
CREATE TABLE token(id INTEGER PRIMARY KEY, word TEXT, weight REAL, vector BLOB);
CREATE INDEX by_word ON token(word);
CREATE TABLE log(id INTEGER, what TEXT);
CREATE TRIGGER logged AFTER DELETE ON token BEGIN INSERT INTO log VALUES(old.id, 'deleted'); END;
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $rows)
INSERT INTO token SELECT i, 'w' || (i * 7919 % 10007), i * 0.25, zeroblob(i % 64) FROM n;
COMMIT;
DELETE FROM token WHERE id % 11 = 0;
SELECT count(*), sum(weight), max(length(vector)) FROM token;
SELECT word, count(*) AS c, round(avg(weight), 3) FROM token GROUP BY word ORDER BY c DESC, word LIMIT 5;
SELECT count(*) FROM log;
CREATE VIRTUAL TABLE text USING fts5(body);
INSERT INTO text SELECT word || ' ' || id FROM token LIMIT 5000;
SELECT count(*) FROM text WHERE text MATCH 'w1*';
SELECT t.id, row_number() OVER (ORDER BY weight DESC) FROM token t LIMIT 3;
PRAGMA integrity_check;
.backup copy.db
SQL
sqlite3 base.db 'PRAGMA busy_timeout=20000; UPDATE token SET weight = weight + 1 WHERE id % 2' >/dev/null &
sqlite3 base.db 'PRAGMA busy_timeout=20000; UPDATE token SET weight = weight + 2 WHERE id % 2 = 0' >/dev/null
wait
sqlite3 base.db 'PRAGMA wal_checkpoint(TRUNCATE); VACUUM; SELECT sum(weight) FROM token;'
sqlite3 copy.db .dump | sha256sum
sqlite3 -csv copy.db 'SELECT * FROM token LIMIT 1000' >out.csv
sqlite3 :memory: -cmd '.mode csv' -cmd '.import out.csv t' 'SELECT count(*) FROM t'
