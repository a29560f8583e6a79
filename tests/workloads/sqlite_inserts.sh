#: shows: many small transactions, each with its journal and its syncs
#: needs: sqlite3
#: setup: echo 'CREATE TABLE t(a);' > load.sql; for i in $(seq 60); do echo "INSERT INTO t VALUES($i);" >> load.sql; done; echo 'SELECT sum(a) FROM t;' >> load.sql
#: exec: sqlite3 test.db ".read load.sql"
