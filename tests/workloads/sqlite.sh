#: shows: a database in WAL mode, with an index, a transaction rolled back and a backup
#: needs: sqlite3
#: setup: printf '%s\n' 'PRAGMA journal_mode=WAL;' 'CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);' 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 5000) INSERT INTO t SELECT i, hex(i * 7919) FROM n;' 'CREATE INDEX tb ON t(b);' 'BEGIN; DELETE FROM t; ROLLBACK;' 'SELECT count(*), sum(a), max(b) FROM t;' '.backup copy.db' 'PRAGMA wal_checkpoint(TRUNCATE);' 'VACUUM;' 'PRAGMA integrity_check;' > load.sql
#: exec: sqlite3 test.db ".read load.sql"
