"""The tables in which other tools keep their records, as those tools create them in SQLite."""

from __future__ import annotations

RECORDS_OF_TOOLS = {
    "drizzle-kit": (
        "CREATE TABLE __drizzle_migrations (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at numeric)",
    ),
    "Prisma": ("CREATE TABLE _prisma_migrations (id TEXT PRIMARY KEY NOT NULL, checksum TEXT NOT NULL)",),
    "golang-migrate": (
        "CREATE TABLE schema_migrations (version uint64, dirty bool)",
        "CREATE UNIQUE INDEX version_unique ON schema_migrations (version)",
    ),
    "Rails": (
        'CREATE TABLE "schema_migrations" ("version" varchar NOT NULL PRIMARY KEY)',
        'CREATE TABLE "ar_internal_metadata" ("key" varchar NOT NULL PRIMARY KEY, "value" varchar)',
    ),
    "sqlx": ("CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL)",),
    "D1": ("CREATE TABLE D1_Migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE)",),
    "Cloudflare": ("CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID",),
    "NuxtHub": ("CREATE TABLE _hub_migrations (id INTEGER PRIMARY KEY, name TEXT UNIQUE, applied_at TIMESTAMP)",),
    "Knex": (
        "CREATE TABLE knex_migrations (id integer PRIMARY KEY AUTOINCREMENT, name varchar(255), batch integer)",
        "CREATE TABLE knex_migrations_lock (`index` integer PRIMARY KEY AUTOINCREMENT, is_locked integer)",
    ),
    "Kysely": (
        "CREATE TABLE kysely_migration (name varchar(255) PRIMARY KEY NOT NULL, timestamp varchar(255) NOT NULL)",
        "CREATE TABLE kysely_migration_lock (id varchar(255) PRIMARY KEY NOT NULL, is_locked integer NOT NULL)",
    ),
    "Sequelize": (
        "CREATE TABLE `SequelizeMeta` (`name` VARCHAR(255) NOT NULL UNIQUE PRIMARY KEY)",
        "CREATE TABLE `SequelizeData` (`name` VARCHAR(255) NOT NULL UNIQUE PRIMARY KEY)",
    ),
    "TypeORM": (
        'CREATE TABLE "migrations" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "timestamp" bigint NOT NULL, '
        '"name" varchar NOT NULL)',
        'CREATE TABLE "typeorm_metadata" ("type" varchar NOT NULL, "name" varchar, "value" text)',
    ),
    "MikroORM": ("CREATE TABLE mikro_orm_migrations (id integer PRIMARY KEY AUTOINCREMENT, name text)",),
    "Diesel": ("CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, run_on TIMESTAMP)",),
    "SeaORM": ('CREATE TABLE "seaql_migrations" ("version" varchar NOT NULL PRIMARY KEY, "applied_at" integer)',),
    "Refinery": ("CREATE TABLE refinery_schema_history (version int4 PRIMARY KEY, name VARCHAR(255))",),
    "Flyway": (
        'CREATE TABLE "flyway_schema_history" ("installed_rank" INT NOT NULL PRIMARY KEY, "version" VARCHAR(50))',
        'CREATE INDEX "flyway_schema_history_s_idx" ON "flyway_schema_history" ("version")',
    ),
    "Flyway 4": (
        "CREATE TABLE schema_version (installed_rank INT PRIMARY KEY, version, description, type, script, checksum, "
        "installed_by, installed_on, execution_time, success)",
    ),
    "Liquibase": (
        "CREATE TABLE DATABASECHANGELOG (ID VARCHAR(255) NOT NULL, AUTHOR VARCHAR(255) NOT NULL)",
        "CREATE TABLE DATABASECHANGELOGLOCK (ID INTEGER NOT NULL PRIMARY KEY, LOCKED BOOLEAN NOT NULL)",
    ),
    "Atlas": ("CREATE TABLE `atlas_schema_revisions` (`version` text NOT NULL, PRIMARY KEY (`version`))",),
    "goose": ("CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL)",),
    "Bun": (
        'CREATE TABLE "bun_migrations" ("id" INTEGER NOT NULL PRIMARY KEY, "name" VARCHAR, "group_id" INTEGER)',
        'CREATE TABLE "bun_migration_locks" ("id" INTEGER NOT NULL PRIMARY KEY, "table_name" VARCHAR UNIQUE)',
    ),
    "sql-migrate": ('CREATE TABLE "gorp_migrations" ("id" varchar(255) NOT NULL PRIMARY KEY, "applied_at" datetime)',),
    "gormigrate": ("CREATE TABLE `migrations` (`id` text, PRIMARY KEY (`id`))",),
    "Alembic": ("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)",),
    "Django": ('CREATE TABLE "django_migrations" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "app" varchar)',),
    "Tortoise": ('CREATE TABLE "aerich" ("id" INTEGER PRIMARY KEY, "version" VARCHAR(255), "app" VARCHAR(100))',),
    "peewee-migrate": ('CREATE TABLE "migratehistory" ("id" INTEGER NOT NULL PRIMARY KEY, "name" VARCHAR(255))',),
    "yoyo": ("CREATE TABLE _yoyo_migration (migration_hash VARCHAR(64) PRIMARY KEY)", "CREATE TABLE yoyo_lock (pid)"),
    "sqlite-migrate": ("CREATE TABLE [_sqlite_migrations] ([migration_set] TEXT, [name] TEXT, [applied_at] TEXT)",),
    "Laravel": (
        'CREATE TABLE "migrations" ("id" integer primary key autoincrement not null, "migration" varchar not null, '
        '"batch" integer not null)',
    ),
    "Phinx": ("CREATE TABLE `phinxlog` (`version` BIGINT PRIMARY KEY, `migration_name` VARCHAR(100) NULL)",),
    "Doctrine": ("CREATE TABLE doctrine_migration_versions (version VARCHAR(191) PRIMARY KEY, executed_at DATETIME)",),
    "Yii": ("CREATE TABLE `migration` (`version` varchar(180) NOT NULL PRIMARY KEY, `apply_time` integer)",),
    "EF Core": (
        'CREATE TABLE "__EFMigrationsHistory" ("MigrationId" TEXT NOT NULL CONSTRAINT "PK___EFMigrationsHistory" '
        'PRIMARY KEY, "ProductVersion" TEXT NOT NULL)',
        'CREATE TABLE "__EFMigrationsLock" ("Id" INTEGER NOT NULL CONSTRAINT "PK___EFMigrationsLock" PRIMARY KEY, '
        '"Timestamp" TEXT NOT NULL)',
    ),
    "FluentMigrator": (
        'CREATE TABLE "VersionInfo" ("Version" INTEGER NOT NULL, "AppliedOn" DATETIME, "Description" TEXT)',
        'CREATE UNIQUE INDEX "UC_Version" ON "VersionInfo" ("Version" ASC)',
    ),
    "DbUp": ("CREATE TABLE SchemaVersions (SchemaVersionID INTEGER PRIMARY KEY, ScriptName TEXT, Applied DATETIME)",),
    "Room": (
        "CREATE TABLE room_master_table (id INTEGER PRIMARY KEY, identity_hash TEXT)",
        "CREATE TABLE android_metadata (locale TEXT)",
    ),
    "GRDB": ("CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY)",),
    "Core Data": (
        "CREATE TABLE Z_METADATA (Z_VERSION INTEGER PRIMARY KEY, Z_UUID VARCHAR(255), Z_PLIST BLOB)",
        "CREATE TABLE Z_PRIMARYKEY (Z_ENT INTEGER PRIMARY KEY, Z_NAME VARCHAR, Z_SUPER INTEGER, Z_MAX INTEGER)",
        "CREATE TABLE Z_MODELCACHE (Z_CONTENT BLOB)",
    ),
}
"""The statements by tool. Some tools use the same name for their table."""
