-- The legacy tables of fair.yml with rows of every fate: carried, merged, refused. Runs as the owner.
CREATE SCHEMA "Feria ""50%"" d'Ñ";
SET search_path = "Feria ""50%"" d'Ñ";

CREATE TABLE "Owner's ""%s"" \ list" (
    "PK ""id""" uuid PRIMARY KEY DEFAULT gen_random_uuid(), "Phone No" text NOT NULL UNIQUE, "user" text, "C:\notes" text,
    "State %" text, "Touched" timestamptz DEFAULT now()
);
CREATE TABLE people (LIKE "Owner's ""%s"" \ list" INCLUDING INDEXES, "Kind %" text);
CREATE TABLE "Visit's table" (
    "Owner \ ""id""" uuid REFERENCES "Owner's ""%s"" \ list", "DAY" text, "data \ %" jsonb, "the note" text,
    PRIMARY KEY ("Owner \ ""id""", "DAY")
);
COMMENT ON TABLE "Owner's ""%s"" \ list" IS 'The owners'' "list" \ 100%';

INSERT INTO "Owner's ""%s"" \ list" VALUES
    ('00000000-0000-4000-8000-000000000001', '''1"', 'O''N\e "50%"', '{"a\\b": "%s"}', 'yes', '2024-01-01 00:30-05'),
    ('00000000-0000-4000-8000-000000000002', '2%\', NULL, 'it''s C:\no json {%}', 'it''s \ 50%', NULL),
    ('00000000-0000-4000-8000-000000000003', '{{3}}', '$1 %(x)s', NULL, 'd''ocasión', NULL),
    ('00000000-0000-4000-8000-000000000004', '4', 'refused', NULL, 'it''s "un\known" 50%', NULL),
    ('00000000-0000-4000-8000-000000000005', '5\5''5"5%5 and far too long', 'refused too', NULL, NULL, NULL);
INSERT INTO people VALUES
    ('00000000-0000-4000-8000-000000000006', '2%\', 'merged', NULL, NULL, NULL, 'it''s "an" \ owner'),
    ('00000000-0000-4000-8000-000000000007', '7|\7', NULL, NULL, NULL, NULL, 'it''s "an" \ owner'),
    ('00000000-0000-4000-8000-000000000008', '8', 'a leftover', NULL, NULL, NULL, 'something "else" \ %');
INSERT INTO "Visit's table" VALUES
    ('00000000-0000-4000-8000-000000000001', 'd|1\', '{}', 'it''s 100% "noted" \'),
    ('00000000-0000-4000-8000-000000000002', '%s', NULL, NULL),
    ('00000000-0000-4000-8000-000000000003', '''"', '{"it''s \\ \"50%\"": "y"}', '{{ 7*7 }}'),
    ('00000000-0000-4000-8000-000000000004', 'd', NULL, 'its owner is refused');

ALTER TABLE "Owner's ""%s"" \ list" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "it's ""50%"" \ p" ON "Owner's ""%s"" \ list" TO authenticated
    USING ("Phone No" <> 'it''s \ 50%') WITH CHECK (E'\\' <> "Phone No");
CREATE POLICY "sólo d'alta \ %s" ON "Owner's ""%s"" \ list" AS RESTRICTIVE FOR SELECT TO authenticated, anon USING ("State %" = 'yes');
CREATE FUNCTION "f'n ""%"" \\"(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT $1 IS NOT NULL $$;
ALTER TABLE "Visit's table" ENABLE ROW LEVEL SECURITY;
CREATE POLICY fun ON "Visit's table" FOR SELECT TO anon USING ("f'n ""%"" \\"("the note"));
CREATE POLICY "NOTA %" ON "Visit's table" FOR SELECT TO PUBLIC USING ("the note" LIKE '%''\\%');
GRANT USAGE ON SCHEMA "Feria ""50%"" d'Ñ" TO anon, authenticated;
GRANT SELECT, INSERT ON "Owner's ""%s"" \ list", "Visit's table" TO authenticated;
GRANT SELECT ("the note"), REFERENCES ("DAY") ON "Visit's table" TO anon;
