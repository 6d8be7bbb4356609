-- What the reference application's migrations changed by December 2025 (head 155) on the tables of
-- discovery_2025_10.sql: run it after that file. The application got 41 columns of assets more; here are
-- the 28 whose names are known. Which columns have a CHECK is known, and that "Active" is a status and
-- "Testing" no environment; the lists are made up around that.

SET search_path = migration;

ALTER TABLE data_imports
    ADD COLUMN import_category varchar(50),
    ADD COLUMN processing_config jsonb NOT NULL DEFAULT '{}';

ALTER TABLE discovery_flows ADD COLUMN data_validation_completed boolean NOT NULL DEFAULT false;

ALTER TABLE asset_dependencies
    ADD COLUMN client_account_id uuid NOT NULL REFERENCES client_accounts,
    ADD COLUMN engagement_id uuid NOT NULL REFERENCES engagements,
    ADD COLUMN port integer,
    ADD COLUMN protocol_name varchar(50),
    ADD COLUMN conn_count integer,
    ADD COLUMN bytes_total bigint,
    ADD COLUMN first_seen timestamptz,
    ADD COLUMN last_seen timestamptz,
    ADD COLUMN confidence_score double precision;

ALTER TABLE assets
    ADD COLUMN deleted_at timestamptz,
    ADD COLUMN deleted_by uuid REFERENCES users ON DELETE SET NULL,
    ADD COLUMN asset_tags jsonb DEFAULT '[]',
    ADD COLUMN business_unit varchar(255),
    ADD COLUMN vendor varchar(255),
    ADD COLUMN application_type varchar(50),
    ADD COLUMN lifecycle varchar(50),
    ADD COLUMN hosting_model varchar(50),
    ADD COLUMN server_role varchar(50),
    ADD COLUMN security_zone varchar(50),
    ADD COLUMN database_type varchar(100),
    ADD COLUMN database_version varchar(50),
    ADD COLUMN database_size_gb double precision,
    ADD COLUMN pii_flag boolean DEFAULT false,
    ADD COLUMN application_data_classification varchar(50),
    ADD COLUMN risk_level varchar(20),
    ADD COLUMN tshirt_size varchar(10),
    ADD COLUMN annual_cost_estimate double precision,
    ADD COLUMN serial_number varchar(100),
    ADD COLUMN virtualization_type varchar(50),
    ADD COLUMN virtualization_platform varchar(100),
    ADD COLUMN storage_used_gb double precision,
    ADD COLUMN storage_free_gb double precision,
    ADD COLUMN cpu_utilization_percent_max double precision,
    ADD COLUMN memory_utilization_percent_max double precision,
    ADD COLUMN complexity_score double precision,
    ADD COLUMN ai_gap_analysis_status integer NOT NULL DEFAULT 0,
    ADD COLUMN dependents json;

DROP INDEX ix_assets_unique_name_per_context;
CREATE INDEX ix_assets_name_per_context ON assets (client_account_id, engagement_id, name);

ALTER TABLE assets
    ADD CONSTRAINT chk_assets_asset_type CHECK (asset_type IN ('server', 'database', 'application', 'network', 'load_balancer',
        'storage', 'security_group', 'virtual_machine', 'container', 'component', 'other')),
    ADD CONSTRAINT chk_assets_environment CHECK (environment IN ('Production', 'production', 'Staging', 'staging',
        'Development', 'development', 'Test', 'test', 'QA', 'DR', 'Unknown')),
    ADD CONSTRAINT chk_assets_criticality CHECK (criticality IN ('Low', 'Medium', 'High', 'Critical')),
    ADD CONSTRAINT chk_assets_status CHECK (status IN ('discovered', 'Active', 'active', 'Inactive', 'inactive', 'Standby',
        'maintenance', 'decommissioned', 'Installed')),
    ADD CONSTRAINT chk_assets_migration_status CHECK (migration_status IN ('discovered', 'assessed', 'planned', 'migrating',
        'migrated', 'failed', 'excluded')),
    ADD CONSTRAINT chk_assets_migration_complexity CHECK (migration_complexity IN ('Low', 'Medium', 'High', 'low', 'medium', 'high')),
    ADD CONSTRAINT chk_assets_six_r_strategy CHECK (six_r_strategy IN ('rehost', 'replatform', 'refactor', 'rearchitect',
        'replace', 'rewrite', 'retain', 'retire')),
    ADD CONSTRAINT chk_assets_sixr_ready CHECK (sixr_ready IN ('Ready', 'Not Ready', 'Needs Review', 'Unknown')),
    ADD CONSTRAINT chk_assets_application_type CHECK (application_type IN ('cots', 'custom', 'custom_cots', 'saas', 'other')),
    ADD CONSTRAINT chk_assets_lifecycle CHECK (lifecycle IN ('retire', 'replace', 'retain', 'invest')),
    ADD CONSTRAINT chk_assets_hosting_model CHECK (hosting_model IN ('on_prem', 'cloud', 'hybrid', 'colo')),
    ADD CONSTRAINT chk_assets_server_role CHECK (server_role IN ('web', 'db', 'app', 'citrix', 'file', 'email', 'other')),
    ADD CONSTRAINT chk_assets_risk_level CHECK (risk_level IN ('low', 'medium', 'high', 'critical')),
    ADD CONSTRAINT chk_assets_tshirt_size CHECK (tshirt_size IN ('xs', 's', 'm', 'l', 'xl', 'xxl'));

CREATE TABLE asset_conflict_resolutions (
    id uuid NOT NULL PRIMARY KEY,
    client_account_id uuid NOT NULL REFERENCES client_accounts,
    engagement_id uuid NOT NULL REFERENCES engagements,
    existing_asset_id uuid REFERENCES assets ON DELETE CASCADE
);
CREATE TABLE data_cleansing_recommendations (
    id uuid NOT NULL PRIMARY KEY,
    flow_id uuid NOT NULL
);

RESET search_path;
