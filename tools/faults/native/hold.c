// Built by faults/world.py: cc -O1 -o hold hold.c -llmdb
// hold ARCHIVE: begins to read the store's newest snapshot, says so, and reads no further until it is killed.
#include <lmdb.h>
#include <stdio.h>
#include <unistd.h>

int main(int count, char **words) {
    MDB_env *environment;
    MDB_txn *transaction;
    if (count != 2 || mdb_env_create(&environment) != 0) return 2;
    if (mdb_env_set_maxdbs(environment, 64) != 0) return 1;
    if (mdb_env_open(environment, words[1], MDB_RDONLY | MDB_NOTLS, 0) != 0) return 1;
    if (mdb_txn_begin(environment, NULL, MDB_RDONLY, &transaction) != 0) return 1;
    puts("held");
    fflush(stdout);
    for (;;) pause();
}
