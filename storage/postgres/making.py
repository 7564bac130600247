"""In which schema of a database the tables are, and why they cannot be made there, or used by this user."""

import re
from typing import Any, NamedTuple

import psycopg

Database = psycopg.Connection[Any]
NAMES = re.compile(r"CREATE (?:TABLE|(?:UNIQUE )?INDEX) (\w+)")
SCHEMA = """
SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE pg_class.oid = to_regclass('trackd_migration')
"""
OTHER_SCHEMA = """
SELECT quote_ident(schemaname), has_schema_privilege(schemaname, 'USAGE') FROM pg_tables
WHERE tablename = 'trackd_migration' ORDER BY schemaname LIMIT 1
"""
TAKEN = """
SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relname = ANY(%s) ORDER BY relname
"""
MAY_CREATE = """
SELECT quote_ident(current_schema()), quote_ident(current_user), has_schema_privilege(current_schema(), 'CREATE')
"""
LACKING = """
SELECT quote_ident(current_user), quote_ident(schemaname), tablename FROM pg_tables
WHERE schemaname = %s AND tablename = ANY(%s) AND NOT (
    has_table_privilege(format('%%I.%%I', schemaname, tablename), 'SELECT')
    AND has_table_privilege(format('%%I.%%I', schemaname, tablename), 'INSERT')
    AND has_table_privilege(format('%%I.%%I', schemaname, tablename), 'UPDATE')
    AND has_table_privilege(format('%%I.%%I', schemaname, tablename), 'DELETE')
) ORDER BY tablename
"""
REMEDIES = {
    "25006": "name the primary, or reset default_transaction_read_only of the server, the database or the user",
    "42501": "`trackd doctor` names what the user lacks",
    "55P03": "another node or command changes them, or a transaction has locked one: wait for its end, then try again",
}


class Obstacle(NamedTuple):
    found: str
    remedy: str


def schema_of_tables(db: Database) -> str | None:
    """The schema that has the tables, None if search_path leads to no tables."""
    return next((str(name) for (name,) in db.execute(SCHEMA)), None)


def obstacle(db: Database, script: str) -> Obstacle | None:
    """Why the tables of a script cannot be made in a database without them."""
    [(schema, user, may_create)] = db.execute(MAY_CREATE).fetchall()
    for other, may_use in db.execute(OTHER_SCHEMA):
        if not may_use:
            return Obstacle(f"{user} may not use the schema {other}", f"`GRANT USAGE ON SCHEMA {other} TO {user}`")
        return Obstacle(
            f"the schema {other} has tables of trackd, and search_path of {user} does not lead to it",
            f"`ALTER ROLE {user} SET search_path = {other}`, or give trackd a database of its own",
        )
    if schema is None:
        return Obstacle(
            "no schema of search_path exists, or may be used",
            "create the schema that search_path names, or reset search_path of the database or the user",
        )
    if not may_create:
        return Obstacle(
            f"{user} may not make tables",
            f"`GRANT CREATE ON SCHEMA {schema} TO {user}`, or make {user} the owner of the database",
        )
    if taken := [str(name) for (name,) in db.execute(TAKEN, [NAMES.findall(script)])]:
        return Obstacle(
            f"the schema {schema} has {', '.join(taken)} of another program", "give trackd a database of its own"
        )
    return None


def lacking_privileges(db: Database, schema: str, script: str) -> Obstacle | None:
    """Which of a script's tables in a schema the user may not read and write."""
    found = db.execute(LACKING, [schema, NAMES.findall(script)]).fetchall()
    if not found:
        return None
    user, schema = found[0][:2]
    return Obstacle(
        f"{user} may not read and write {', '.join(table for *_, table in found)}",
        f"`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {user}`",
    )


def remedy_of(error: psycopg.Error) -> str:
    """What to do about an error while tables are made or read, behind a colon; empty if nothing is known."""
    remedy = REMEDIES.get(error.sqlstate or "")
    return f": {remedy}" if remedy else ""
