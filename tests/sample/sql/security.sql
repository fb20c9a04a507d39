-- Row security, grants beside the default ones, Realtime, and the sign-up trigger. Runs as the owner.

ALTER TABLE professions ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Profesiones activas" ON professions FOR SELECT TO anon, authenticated USING (is_active);

-- One policy that names only carried columns, one that compares a translated value with a literal.
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Cada quien ve su fila" ON users FOR SELECT TO authenticated USING (auth.uid() = id);
CREATE POLICY "Cada quien edita su fila" ON users FOR UPDATE TO authenticated
    USING ((SELECT auth.uid()) = id) WITH CHECK ((SELECT auth.uid()) = id);
CREATE POLICY "Proveedores activos" ON users FOR SELECT TO anon, authenticated
    USING (user_type = 'provider' AND status = 'active');

-- The third policy names another migrated table; the last one is restrictive and easy to translate.
ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
CREATE POLICY "El cliente ve su fila" ON customers FOR SELECT TO authenticated USING (auth.uid() = id);
CREATE POLICY "El cliente edita su fila" ON customers FOR UPDATE TO authenticated
    USING (auth.uid() = id) WITH CHECK (auth.uid() = id AND city IS NOT NULL);
CREATE POLICY "Proveedores de la ciudad" ON customers FOR SELECT TO authenticated USING (
    EXISTS (SELECT 1 FROM users u WHERE u.id = auth.uid() AND u.user_type = 'provider' AND u.city = customers.city)
);
CREATE POLICY "Solo Ecuador" ON customers AS RESTRICTIVE FOR SELECT TO authenticated
    USING (phone_number LIKE '593%');

-- user_id has no counterpart in mensajes, and failed becomes error.
ALTER TABLE messages ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Mensajes propios" ON messages FOR SELECT TO authenticated USING (auth.uid() = user_id);
CREATE POLICY "Sin fallidos" ON messages AS RESTRICTIVE FOR SELECT TO authenticated
    USING (processing_status <> 'failed');

ALTER TABLE provider_services ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Servicios activos" ON provider_services FOR SELECT USING (is_active);
-- Row security without a policy: nothing for the public keys, all for service_role.
ALTER TABLE sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE sessions FORCE ROW LEVEL SECURITY;
ALTER TABLE task_queue ENABLE ROW LEVEL SECURITY;

-- Privileges of single columns: the dashboard's login reads, a signed-in customer writes two columns.
GRANT USAGE ON SCHEMA public TO tinkubot_reportes;
GRANT SELECT (id, city, city_confirmed_at, created_at) ON customers TO tinkubot_reportes;
GRANT SELECT ON professions TO tinkubot_reportes;
REVOKE ALL ON customers FROM anon;
REVOKE UPDATE ON customers FROM authenticated;
GRANT UPDATE (full_name, city) ON customers TO authenticated;

CREATE PUBLICATION supabase_realtime FOR TABLE messages, service_requests;
ALTER TABLE service_requests REPLICA IDENTITY FULL;

CREATE FUNCTION handle_new_user() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    INSERT INTO public.users (id, phone_number, name, email)
    VALUES (NEW.id, COALESCE(NEW.phone, 'sin-' || left(NEW.id::text, 13)), NEW.raw_user_meta_data ->> 'name', NEW.email);
    RETURN NEW;
END
$$;
CREATE TRIGGER on_auth_user_created AFTER INSERT ON auth.users
    FOR EACH ROW EXECUTE FUNCTION handle_new_user();

-- What the dashboard shows beside the tables, and what the new ones will not have of themselves.
COMMENT ON TABLE customers IS 'Personas que escriben por WhatsApp; "phone_number" las identifica';
COMMENT ON COLUMN customers.notes IS 'Notas de los asesores';
COMMENT ON TABLE professions IS 'Catálogo de profesiones';
