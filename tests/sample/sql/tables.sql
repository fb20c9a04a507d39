-- The nine legacy tables and their neighbours, as one of the two installations has them. Runs as the owner.

CREATE TABLE professions (
    id serial PRIMARY KEY,
    name text NOT NULL UNIQUE,
    specialty text,
    category text,
    is_active boolean DEFAULT true,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now()
);
CREATE INDEX idx_professions_category ON professions (category);

CREATE TABLE users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    phone_number text NOT NULL UNIQUE,
    name text,
    user_type text DEFAULT 'client',
    email text,
    business_name text,
    business_description text,
    address text,
    city text,
    country text DEFAULT 'ECUADOR',
    latitude <<coordinate>>,
    longitude <<coordinate>>,
    status text DEFAULT 'active',
    <<consent_column>>
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now()
);
CREATE INDEX idx_users_user_type ON users (user_type);
CREATE INDEX idx_users_city ON users (city);
CREATE INDEX idx_users_active_providers ON users (city) WHERE user_type = 'provider' AND status = 'active';

CREATE TABLE customers (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    phone_number text NOT NULL UNIQUE,
    full_name text,
    city text,
    city_confirmed_at timestamptz,
    notes <<json>>,
    <<consent_column>>
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_customers_city ON customers (city);
CREATE INDEX idx_customers_created_at ON customers (created_at);

CREATE FUNCTION set_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;
CREATE TRIGGER customers_set_updated_at BEFORE UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION set_updated_at();

CREATE TABLE provider_professions (
    <<pair_serial>>
    provider_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    profession_id integer NOT NULL REFERENCES professions (id) ON DELETE CASCADE,
    specialty text,
    experience_years integer DEFAULT 0,
    certifications <<json>>,
    is_primary boolean DEFAULT false,
    verification_status text DEFAULT 'pending',
    created_at timestamptz DEFAULT now(),
    PRIMARY KEY (<<pair_key>>)
);
CREATE INDEX idx_provider_professions_provider ON provider_professions (provider_id);
CREATE INDEX idx_provider_professions_profession ON provider_professions (profession_id);

CREATE TABLE provider_services (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    provider_id uuid REFERENCES users (id) ON DELETE CASCADE,
    title text NOT NULL,
    description text,
    category text,
    price numeric,
    price_type text DEFAULT 'fixed',
    availability jsonb DEFAULT '{}',
    is_active boolean DEFAULT true,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now()
);
CREATE INDEX idx_provider_services_provider ON provider_services (provider_id);

CREATE TABLE service_requests (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    <<request_phone>> text NOT NULL,
    intent text,
    profession text,
    location_city text,
    location_lat <<coordinate>>,
    location_lng <<coordinate>>,
    suggested_providers jsonb DEFAULT '[]',
    requested_at <<moment>>,
    resolved_at <<moment>>
);
CREATE INDEX idx_service_requests_phone ON service_requests (<<request_phone>>);
CREATE INDEX idx_service_requests_requested_at ON service_requests (requested_at);

CREATE TABLE messages (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    conversation_id uuid,
    user_id uuid REFERENCES users (id) ON DELETE SET NULL,
    message_type text DEFAULT 'text',
    content text,
    media_url text,
    media_type text,
    ai_response text,
    processing_status text DEFAULT 'pending',
    metadata jsonb DEFAULT '{}',
    "timestamp" timestamptz DEFAULT now()
);
CREATE INDEX idx_messages_conversation ON messages (conversation_id);
CREATE INDEX idx_messages_user ON messages (user_id);
CREATE INDEX idx_messages_timestamp ON messages ("timestamp" DESC);
CREATE INDEX idx_messages_unprocessed ON messages ("timestamp") WHERE processing_status = 'pending';

CREATE TABLE sessions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid REFERENCES users (id) ON DELETE CASCADE,
    session_id text NOT NULL,
    status text DEFAULT 'active',
    qr_code text,
    session_data jsonb DEFAULT '{}',
    expires_at timestamptz,
    last_activity timestamptz DEFAULT now(),
    created_at timestamptz DEFAULT now()
);
CREATE INDEX idx_sessions_user ON sessions (user_id);
CREATE INDEX idx_sessions_session_id ON sessions (session_id);

CREATE TABLE task_queue (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    task_type text NOT NULL,
    payload jsonb NOT NULL,
    status text DEFAULT 'pending',
    priority integer DEFAULT 0,
    scheduled_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    completed_at timestamptz,
    error_message text,
    retry_count integer DEFAULT 0,
    max_retries integer DEFAULT 3,
    created_at timestamptz DEFAULT now()
);
CREATE INDEX idx_task_queue_due ON task_queue (status, scheduled_at);

-- Neighbours that the plan does not name.
CREATE TABLE consents (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid REFERENCES customers (id),
    user_type text NOT NULL,
    response text NOT NULL,
    message_log jsonb,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE profession_synonyms (
    id serial PRIMARY KEY,
    profession_id integer NOT NULL REFERENCES professions (id) ON DELETE CASCADE,
    synonym text NOT NULL UNIQUE
);
CREATE TABLE customer_service_requests (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    customer_id uuid NOT NULL REFERENCES customers (id),
    profession_id integer REFERENCES professions (id),
    provider_id uuid REFERENCES users (id),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE VIEW provider_directory AS
    SELECT u.id, u.name, u.phone_number, u.city, p.name AS profession, pp.experience_years
    FROM users u
    JOIN provider_professions pp ON pp.provider_id = u.id
    JOIN professions p ON p.id = pp.profession_id
    WHERE u.user_type = 'provider' AND u.status = 'active' AND p.is_active;
CREATE VIEW customer_activity AS
    SELECT c.id, c.phone_number, c.full_name, c.city, count(r.id) AS requests
    FROM customers c
    LEFT JOIN service_requests r ON r.<<request_phone>> = c.phone_number
    GROUP BY c.id;
