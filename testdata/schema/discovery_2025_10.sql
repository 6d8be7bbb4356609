-- The reference application's tables on the import path as its migrations had made them by
-- October 2025 (head 087), and of the others as much as refers to them. Columns, types, defaults,
-- indexes and foreign keys of the import path are complete; the actions of the foreign keys are
-- the database's own, and not those that the application's classes declare.

CREATE SCHEMA migration;
SET search_path = migration;

CREATE TABLE client_accounts (
    id uuid NOT NULL PRIMARY KEY,
    name varchar(255) NOT NULL,
    slug varchar(100) NOT NULL UNIQUE,
    description text,
    industry varchar(100),
    settings json,
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz
);

CREATE TABLE engagements (
    id uuid NOT NULL PRIMARY KEY,
    client_account_id uuid NOT NULL REFERENCES client_accounts,
    name varchar(255) NOT NULL,
    slug varchar(100) NOT NULL,
    description text,
    status varchar(50) DEFAULT 'active',
    engagement_lead_id uuid,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz
);

CREATE TABLE users (
    id uuid NOT NULL PRIMARY KEY,
    email varchar(255) NOT NULL UNIQUE,
    password_hash varchar(255),
    first_name varchar(100),
    last_name varchar(100),
    is_active boolean DEFAULT true,
    is_verified boolean DEFAULT false,
    default_client_id uuid REFERENCES client_accounts,
    default_engagement_id uuid,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(),
    last_login timestamptz,
    is_admin boolean NOT NULL DEFAULT false,
    username varchar(50) UNIQUE
);

CREATE TABLE crewai_flow_state_extensions (
    id uuid NOT NULL PRIMARY KEY,
    flow_id uuid NOT NULL UNIQUE,
    client_account_id uuid NOT NULL REFERENCES client_accounts,
    engagement_id uuid NOT NULL REFERENCES engagements,
    user_id varchar(255) NOT NULL,
    flow_type varchar(50) NOT NULL CHECK (flow_type IN ('discovery', 'assessment', 'collection', 'planning',
        'execution', 'modernize', 'finops', 'observability', 'decommission')),
    flow_name varchar(255),
    flow_status varchar(50) NOT NULL DEFAULT 'initialized',
    flow_configuration jsonb NOT NULL DEFAULT '{}',
    flow_persistence_data jsonb NOT NULL DEFAULT '{}',
    agent_collaboration_log jsonb DEFAULT '[]',
    memory_usage_metrics jsonb DEFAULT '{}',
    knowledge_base_analytics jsonb DEFAULT '{}',
    phase_execution_times jsonb DEFAULT '{}',
    agent_performance_metrics jsonb DEFAULT '{}',
    crew_coordination_analytics jsonb DEFAULT '{}',
    learning_patterns jsonb DEFAULT '[]',
    user_feedback_history jsonb DEFAULT '[]',
    adaptation_metrics jsonb DEFAULT '{}',
    phase_transitions jsonb DEFAULT '[]',
    error_history jsonb DEFAULT '[]',
    retry_count integer NOT NULL DEFAULT 0,
    parent_flow_id uuid REFERENCES crewai_flow_state_extensions (flow_id),
    child_flow_ids jsonb DEFAULT '[]',
    flow_metadata jsonb DEFAULT '{}',
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(),
    collection_flow_id uuid,
    automation_tier varchar(20),
    collection_quality_score double precision,
    data_collection_metadata jsonb DEFAULT '{}',
    execution_metadata jsonb DEFAULT '{}'
);

CREATE TABLE data_imports (
    id uuid NOT NULL PRIMARY KEY,
    client_account_id uuid REFERENCES client_accounts,
    engagement_id uuid REFERENCES engagements,
    master_flow_id uuid REFERENCES crewai_flow_state_extensions (flow_id) DEFERRABLE INITIALLY DEFERRED,
    import_name varchar(255) NOT NULL,
    import_type varchar(50) NOT NULL,
    description text,
    filename varchar(255) NOT NULL,
    file_size integer,
    mime_type varchar(100),
    source_system varchar(100),
    status varchar(20) NOT NULL DEFAULT 'pending',
    progress_percentage double precision DEFAULT '0',
    total_records integer,
    processed_records integer DEFAULT 0,
    failed_records integer DEFAULT 0,
    imported_by uuid NOT NULL REFERENCES users,
    error_message text,
    error_details json,
    started_at timestamptz DEFAULT now(),
    completed_at timestamptz,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz
);

CREATE TABLE raw_import_records (
    id uuid NOT NULL PRIMARY KEY,
    data_import_id uuid NOT NULL REFERENCES data_imports,
    client_account_id uuid REFERENCES client_accounts,
    engagement_id uuid REFERENCES engagements,
    master_flow_id uuid REFERENCES crewai_flow_state_extensions (flow_id),
    row_number integer NOT NULL,
    raw_data json NOT NULL,
    cleansed_data json,
    validation_errors json,
    processing_notes text,
    is_processed boolean DEFAULT false,
    is_valid boolean DEFAULT true,
    asset_id uuid,
    created_at timestamptz DEFAULT now(),
    processed_at timestamptz
);

CREATE TABLE import_field_mappings (
    id uuid NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
    data_import_id uuid NOT NULL REFERENCES data_imports,
    client_account_id uuid NOT NULL REFERENCES client_accounts,
    master_flow_id uuid REFERENCES crewai_flow_state_extensions (flow_id),
    source_field varchar(255) NOT NULL,
    target_field varchar(255) NOT NULL,
    match_type varchar(50) NOT NULL DEFAULT 'direct',
    confidence_score double precision,
    status varchar(20) DEFAULT 'suggested',
    suggested_by varchar(50) DEFAULT 'ai_mapper',
    approved_by varchar(255),
    approved_at timestamptz,
    transformation_rules json,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(),
    field_type varchar(50),
    agent_reasoning text,
    engagement_id uuid REFERENCES engagements ON DELETE CASCADE
);

CREATE TABLE discovery_flows (
    id uuid NOT NULL PRIMARY KEY,
    flow_id uuid NOT NULL UNIQUE,
    master_flow_id uuid REFERENCES crewai_flow_state_extensions (flow_id) ON DELETE CASCADE,
    client_account_id uuid NOT NULL,
    engagement_id uuid NOT NULL,
    user_id varchar NOT NULL,
    data_import_id uuid REFERENCES data_imports,
    flow_name varchar(255) NOT NULL,
    status varchar(20) NOT NULL DEFAULT 'active',
    progress_percentage double precision NOT NULL DEFAULT 0.0,
    data_import_completed boolean NOT NULL DEFAULT false,
    field_mapping_completed boolean NOT NULL DEFAULT false,
    data_cleansing_completed boolean NOT NULL DEFAULT false,
    asset_inventory_completed boolean NOT NULL DEFAULT false,
    dependency_analysis_completed boolean NOT NULL DEFAULT false,
    tech_debt_assessment_completed boolean NOT NULL DEFAULT false,
    learning_scope varchar(50) NOT NULL DEFAULT 'engagement',
    memory_isolation_level varchar(20) NOT NULL DEFAULT 'strict',
    assessment_ready boolean NOT NULL DEFAULT false,
    phase_state jsonb NOT NULL DEFAULT '{}',
    agent_state jsonb NOT NULL DEFAULT '{}',
    flow_type varchar(100),
    current_phase varchar(100),
    phases_completed json,
    flow_state json DEFAULT '{}',
    crew_outputs json,
    field_mappings json,
    discovered_assets json,
    dependencies json,
    tech_debt_analysis json,
    crewai_persistence_id uuid,
    crewai_state_data jsonb NOT NULL DEFAULT '{}',
    error_message text,
    error_phase varchar(100),
    error_details json,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz
);

CREATE TABLE assets (
    id uuid NOT NULL PRIMARY KEY,
    client_account_id uuid NOT NULL REFERENCES client_accounts,
    engagement_id uuid NOT NULL REFERENCES engagements,
    flow_id uuid,
    migration_id uuid,
    master_flow_id uuid,
    discovery_flow_id uuid,
    assessment_flow_id uuid,
    planning_flow_id uuid,
    execution_flow_id uuid,
    source_phase varchar(50),
    current_phase varchar(50),
    phase_context json,
    name varchar(255) NOT NULL,
    asset_name varchar(255),
    hostname varchar(255),
    asset_type varchar(50) NOT NULL,
    description text,
    ip_address varchar(45),
    fqdn varchar(255),
    mac_address varchar(17),
    environment varchar(50),
    location varchar(100),
    datacenter varchar(100),
    rack_location varchar(50),
    availability_zone varchar(50),
    operating_system varchar(100),
    os_version varchar(50),
    cpu_cores integer,
    memory_gb double precision,
    storage_gb double precision,
    business_owner varchar(255),
    technical_owner varchar(255),
    department varchar(100),
    application_name varchar(255),
    technology_stack varchar(255),
    criticality varchar(20),
    business_criticality varchar(20),
    custom_attributes json,
    six_r_strategy varchar(50),
    mapping_status varchar(20),
    migration_priority integer,
    migration_complexity varchar(20),
    migration_wave integer,
    sixr_ready varchar(50),
    status varchar(50),
    migration_status varchar(50),
    dependencies json,
    related_assets json,
    discovery_method varchar(50),
    discovery_source varchar(100),
    discovery_timestamp timestamptz,
    cpu_utilization_percent double precision,
    memory_utilization_percent double precision,
    disk_iops double precision,
    network_throughput_mbps double precision,
    completeness_score double precision,
    quality_score double precision,
    current_monthly_cost double precision,
    estimated_cloud_cost double precision,
    imported_by uuid,
    imported_at timestamptz,
    source_filename varchar(255),
    raw_data text,
    field_mappings_used json,
    raw_import_records_id uuid REFERENCES raw_import_records,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz,
    created_by uuid,
    updated_by uuid,
    discovery_status varchar(50),
    discovery_completed_at timestamptz,
    assessment_readiness varchar(50) DEFAULT 'not_ready',
    assessment_readiness_score double precision,
    assessment_blockers json,
    assessment_recommendations json,
    confidence_score double precision,
    technical_details json,
    discovered_at timestamptz DEFAULT now(),
    CONSTRAINT ck_assets_has_identifier CHECK (hostname IS NOT NULL OR name IS NOT NULL OR ip_address IS NOT NULL)
);

CREATE UNIQUE INDEX ix_assets_unique_name_per_context ON assets (client_account_id, engagement_id, name)
    WHERE name IS NOT NULL AND name <> '';
CREATE UNIQUE INDEX ix_assets_unique_hostname_per_context ON assets (client_account_id, engagement_id, hostname)
    WHERE hostname IS NOT NULL AND hostname <> '';
CREATE UNIQUE INDEX ix_assets_unique_ip_per_context ON assets (client_account_id, engagement_id, ip_address)
    WHERE ip_address IS NOT NULL AND ip_address <> '';

CREATE TABLE asset_dependencies (
    id uuid NOT NULL PRIMARY KEY,
    asset_id uuid NOT NULL REFERENCES assets ON DELETE CASCADE,
    depends_on_asset_id uuid NOT NULL REFERENCES assets ON DELETE CASCADE,
    dependency_type varchar,
    description text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz,
    relationship_nature varchar(50),
    direction varchar(10) CHECK (direction IN ('upstream', 'downstream')),
    criticality varchar(10) CHECK (criticality IN ('low', 'medium', 'high', 'critical')),
    dataflow_type varchar(20) CHECK (dataflow_type IN ('batch', 'stream', 'sync', 'async')),
    UNIQUE (asset_id, depends_on_asset_id)
);

-- What refers to the tables above. Deleting an asset takes rows of eight tables with it.

CREATE TYPE collectionflowstatus AS ENUM ('initialized', 'running', 'paused', 'completed', 'failed', 'cancelled');

CREATE TABLE collection_flows (
    id uuid NOT NULL PRIMARY KEY,
    flow_id uuid NOT NULL UNIQUE,
    master_flow_id uuid REFERENCES crewai_flow_state_extensions (flow_id) ON DELETE CASCADE,
    discovery_flow_id uuid REFERENCES discovery_flows ON DELETE SET NULL,
    client_account_id uuid NOT NULL,
    engagement_id uuid NOT NULL,
    flow_name varchar(255) NOT NULL,
    status collectionflowstatus NOT NULL DEFAULT 'initialized',
    created_at timestamptz NOT NULL DEFAULT now()
);

ALTER TABLE crewai_flow_state_extensions
    ADD FOREIGN KEY (collection_flow_id) REFERENCES collection_flows ON DELETE SET NULL;

CREATE TABLE assessment_flows (
    id uuid NOT NULL PRIMARY KEY,
    master_flow_id uuid REFERENCES crewai_flow_state_extensions (flow_id) ON DELETE CASCADE,
    flow_name varchar(255)
);
CREATE TABLE agent_task_history (
    id uuid NOT NULL PRIMARY KEY,
    flow_id uuid NOT NULL REFERENCES crewai_flow_state_extensions (flow_id) ON DELETE CASCADE,
    task_name varchar(255)
);
CREATE TABLE assessments (
    id uuid NOT NULL PRIMARY KEY,
    master_flow_id uuid REFERENCES crewai_flow_state_extensions (flow_id)
);
CREATE TABLE asset_licenses (id uuid NOT NULL PRIMARY KEY, asset_id uuid NOT NULL REFERENCES assets ON DELETE CASCADE);
CREATE TABLE asset_product_links (id uuid NOT NULL PRIMARY KEY, asset_id uuid NOT NULL REFERENCES assets ON DELETE CASCADE);
CREATE TABLE asset_resilience (id uuid NOT NULL PRIMARY KEY, asset_id uuid NOT NULL REFERENCES assets ON DELETE CASCADE);
CREATE TABLE asset_vulnerabilities (id uuid NOT NULL PRIMARY KEY, asset_id uuid NOT NULL REFERENCES assets ON DELETE CASCADE);
CREATE TABLE asset_compliance_flags (id uuid NOT NULL PRIMARY KEY, asset_id uuid NOT NULL REFERENCES assets ON DELETE CASCADE);
CREATE TABLE asset_field_conflicts (id uuid NOT NULL PRIMARY KEY, asset_id uuid NOT NULL REFERENCES assets ON DELETE CASCADE);
CREATE TABLE collection_questionnaire_responses (
    id uuid NOT NULL PRIMARY KEY,
    collection_flow_id uuid NOT NULL REFERENCES collection_flows ON DELETE CASCADE,
    asset_id uuid REFERENCES assets ON DELETE CASCADE
);
CREATE TABLE collection_flow_applications (
    id uuid NOT NULL PRIMARY KEY,
    collection_flow_id uuid NOT NULL REFERENCES collection_flows ON DELETE CASCADE,
    asset_id uuid REFERENCES assets ON DELETE SET NULL
);

-- Row security is enabled and not forced: the owner of the tables passes it by.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'application_role') THEN
        CREATE ROLE application_role;
    END IF;
END
$$;

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['assets', 'data_imports', 'discovery_flows', 'crewai_flow_state_extensions', 'import_field_mappings'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY %I ON %I TO application_role USING (client_account_id::text = current_setting(%L, true))',
            t || '_client', t, 'app.client_id');
    END LOOP;
END
$$;

RESET search_path;
