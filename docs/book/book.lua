-- The book, as a pandoc filter. It reads the pages that pages.tsv lists (so
-- pandoc itself reads nothing) and turns GitHub's Markdown into the book's:
-- listings and outputs with captions and links, figures, side notes, and
-- links that stay inside the book.
--
-- Metadata, all given on the command line by book.sh and pdf.sh:
--   mode         outline: print every page's headings into outline.tsv
--                page: one page of the site
--                file: one file of the repository, as a page of the site
--                merged: the whole book as one document (EPUB, PDF)
--   work         the folder of pages.tsv, outline.tsv and what is noted
--   slug         mode page: which one; mode file: the file's path
--   definitions  the weaver's table of definitions
local folder = pandoc.path.directory(PANDOC_SCRIPT_FILE)
local c = dofile(pandoc.path.join {folder, 'c.lua'})
local mathml = dofile(pandoc.path.join {folder, 'mathml.lua'})
local stringify = pandoc.utils.stringify
local html = FORMAT:find('html') or FORMAT:find('epub')
local latex = FORMAT:find('latex')
local MARKDOWN = 'gfm+tex_math_dollars+footnotes+smart-emoji'

local mode, work  -- from the metadata
local pages = {}  -- in order, and by slug: {slug, kind, source, number}
local page_of = {}  -- the page of a source file
local definitions = {}  -- by name: lists of {kind, file, page, listing}
local here = {}  -- the page at hand: slug, source, and what was seen in it

-- --- Files -------------------------------------------------------------------

local function read(path)
    local file = io.open(path, 'rb')
    if not file then return nil end
    local text = file:read('a')
    file:close()
    return text  -- nil for a folder
end

local function exists(path)
    local file = io.open(path, 'rb')
    if file then file:close() end
    return file ~= nil
end

-- Adds a line to a file of the work folder.
local function note(name, line)
    local file = assert(io.open(work .. '/' .. name, 'a'))
    file:write(line, '\n')
    file:close()
end

-- What is wrong or still missing in the book: book.sh prints it.
local function complain(what)
    local where = here.source ~= '' and here.source or here.slug
    note('problems', where .. ': ' .. what)
end

local function rows(path)
    local list = {}
    for line in (read(path) or ''):gmatch('[^\n]+') do
        local row = {}
        for cell in (line .. '\t'):gmatch('(.-)\t') do row[#row + 1] = cell end
        list[#list + 1] = row
    end
    return list
end

-- a/b/../c becomes a/c.
local function normal(path)
    local parts = {}
    for part in path:gmatch('[^/]+') do
        if part == '..' and #parts > 0 and parts[#parts] ~= '..' then
            parts[#parts] = nil
        elseif part ~= '.' then
            parts[#parts + 1] = part
        end
    end
    return table.concat(parts, '/')
end

local function directory(path)
    return path:match('^(.*)/[^/]*$') or '.'
end

local function escape(text)
    return (text:gsub('[&<>"]', {['&'] = '&amp;', ['<'] = '&lt;',
                                 ['>'] = '&gt;', ['"'] = '&quot;'}))
end

-- --- Pages and addresses -----------------------------------------------------

local function load_tables(meta)
    for i, row in ipairs(rows(work .. '/pages.tsv')) do
        local page = {number = i, slug = row[1], kind = row[2],
                      source = row[3]}
        pages[i], pages[page.slug] = page, page
        for source in page.source:gmatch('%S+') do page_of[source] = page end
    end
    for _, row in ipairs(rows(stringify(meta.definitions or ''))) do
        local name, entry = row[1], {kind = row[2], file = row[3],
                                     page = row[4], listing = row[5]}
        if name ~= 'name' and entry.listing then
            definitions[name] = definitions[name] or {}
            table.insert(definitions[name], entry)
        end
    end
end

-- The id of a listing or an output: what its comment says, without blanks.
local function id_of(kind, what)
    local id = kind .. '-' .. what:gsub('[^%w_]+', '-')
    return (id:gsub('%-$', ''))
end

-- In the merged document the ids of different pages must differ.
local function own_id(page, id)
    if mode ~= 'merged' or id:find('^ref%-') then return id end
    return 'p' .. page.number .. (id == '' and '' or '-' .. id)
end

-- Where a place in a page is, seen from the page at hand.
local function address(page, id)
    if html and mode == 'merged' then
        local fragment = id == '' and '' or '#' .. own_id(page, id)
        if page == here.page and id ~= '' then return fragment end
        return ('ch%03d.xhtml%s'):format(page.number, fragment)
    elseif mode == 'merged' then
        return '#' .. own_id(page, id)
    elseif page == here.page and id ~= '' then
        return '#' .. id
    end
    return (here.up or '') .. page.slug .. '.html' ..
        (id == '' and '' or '#' .. id)
end

-- The address of a file of the repository as a page of the site; none in the
-- EPUB and the PDF.
local function file_address(path, fragment)
    if mode == 'merged' then return nil end
    note('files', path)
    return (here.up or '') .. 'files/' .. path .. '.html' ..
        (fragment == '' and '' or '#' .. fragment)
end

-- The id of the part of the answers that came from this file.
local function answers_id(path)
    local chapter = path:match('chapters/(%d+)') or path
    return 'answers-' .. chapter
end

-- Where a link leads. nil where the book has no such place.
local function resolve(target)
    if target:find('^%a[%w+.-]*:') or target:find('^//') then return target end
    local path, fragment = target:match('^([^#]*)#?(.*)$')
    if path == '' then
        return here.page and address(here.page, fragment) or target
    end
    path = normal(directory(here.source) .. '/' .. path)
    if path == 'docs/references.bib' and pages.references then
        return address(pages.references,
                       fragment == '' and '' or 'ref-' .. fragment)
    end
    local page = page_of[path] or page_of[path .. '/README.md']
    if page and page.kind == 'answers' and fragment == '' then
        fragment = answers_id(path)
    end
    if page then return address(page, fragment) end
    if exists(path) then return file_address(path, fragment) end
    complain('wanted a page or file for the link ' .. target .. ', found none')
    return nil
end

-- --- Names in code -----------------------------------------------------------

local statics = {}

-- Is this definition private to its file?
local function private(name, entry)
    local file = entry.file
    if file:find('%.h$') then return false end
    if entry.kind ~= 'function' and entry.kind ~= 'variable' then
        return true
    end
    statics[file] = statics[file] or read(file) or ''
    return ('\n' .. statics[file]):find(
        '\nstatic[^;{}=]*%f[%w_]' .. name .. '%f[^%w_]') ~= nil
end

-- The definition that a name means in this file (or, in prose, on the page at
-- hand): its own file's, or one that other files see.
local function meaning(name, file)
    local best, score = nil, 0
    for _, entry in ipairs(definitions[name] or {}) do
        local points = 0
        local near = file and directory(file) == directory(entry.file)
        local shared = entry.file:find('^src/') or entry.file:find('^tests/')
        if entry.kind == 'test' then points = 0
        elseif file == entry.file then points = 8
        elseif private(name, entry) then points = file and 0 or 1
        elseif near then points = 5
        elseif shared then points = 4
        elseif not file then points = 1
        end
        -- In prose, what this very page quotes.
        if not file and page_of[entry.page] == here.page then
            points = points + 2
        end
        if entry.kind == 'prototype' then points = points - 0.5 end
        if not page_of[entry.page] then points = 0 end
        if points > score then best, score = entry, points end
    end
    return best
end

-- The listing of a definition: the one of its name, or one on the same page
-- that quotes it among others (mode outline notes what each quotes).
local function definition_address(name, entry)
    local page = page_of[entry.page]
    local id = id_of('listing', entry.listing)
    if page.ids and not page.ids[id] then
        local best
        for other, listing in pairs(page.ids) do
            if listing.file == entry.file and
                listing.names:find(' ' .. name .. ' ', 1, true) and
                (not best or other < best) then
                best = other
            end
        end
        if not best then
            complain(('wanted the listing %s on %s, found none'):format(
                entry.listing, page.slug))
        end
        id = best or ''
    end
    return address(page, id)
end

local function is_function(name)
    for _, entry in ipairs(definitions[name] or {}) do
        if entry.kind == 'function' or entry.kind == 'prototype' then
            return true
        end
    end
    return false
end

-- --- Code --------------------------------------------------------------------

local short = {comment = 'c', string = 's', number = 'n', keyword = 'k',
               type = 't', directive = 'd'}

local function html_token(token)
    local text = escape(token.text)
    if token.address then
        return ('<a href="%s">%s</a>'):format(escape(token.address), text)
    elseif short[token.kind] then
        return ('<span class="%s">%s</span>'):format(short[token.kind], text)
    end
    return text
end

local latex_special = {['\\'] = '\\textbackslash{}', ['{'] = '\\{',
                       ['}'] = '\\}'}

local function latex_token(token)
    local text = token.text:gsub('[\\{}]', latex_special)
    if token.address and token.address:find('^#') then
        return ('\\hyperlink{%s}{%s}'):format(token.address:sub(2), text)
    elseif short[token.kind] then
        return ('\\C%s{%s}'):format(short[token.kind], text)
    end
    return text
end

-- A text's lines as code. file is where it stands (nil: unknown), own the id of
-- the listing itself, numbered gives each line an id.
local function code_lines(text, is_c, file, own, numbered)
    local lines
    if is_c then
        lines = c.tokens(text)
        c.mark(lines, is_function)
    else
        lines = {}
        for i, line in ipairs(c.lines(text)) do
            lines[i] = {{kind = 'text', text = line}}
        end
    end
    local token_in = latex and latex_token or html_token
    local result = {}
    for i, line in ipairs(lines) do
        local parts = {}
        for _, token in ipairs(line) do
            local entry = token.link and #token.text > 1 and
                meaning(token.text, file)
            if entry then
                local at = definition_address(token.text, entry)
                if at ~= '#' .. own then token.address = at end
            end
            parts[#parts + 1] = token_in(token)
        end
        result[i] = table.concat(parts)
        if numbered then
            result[i] = ('<span class="line" id="L%d">%s</span>'):format(
                i, result[i])
        end
    end
    return table.concat(result, '\n')
end

-- A code block outside listings, or the block within one. kind is listing,
-- output or nil.
local function code_block(block, kind, file, own)
    local class = block.classes[1] or ''
    local is_c = class == 'c' or class == 'h' or
        kind == 'listing' and file ~= nil and file:find('%.[ch]$') ~= nil
    local text = code_lines(block.text, is_c, file, own or '', false)
    if latex then
        return pandoc.RawBlock('latex', '\\begin{' ..
            (kind == 'output' and 'Output' or 'Code') .. '}\n' .. text ..
            '\n\\end{' .. (kind == 'output' and 'Output' or 'Code') .. '}')
    elseif html then
        return pandoc.RawBlock('html',
            ('<pre%s tabindex="0"><code>%s</code></pre>'):format(
                kind and '' or ' class="plain"', text))
    end
    return block
end

-- --- Inlines -----------------------------------------------------------------

local function link(element)
    local at = resolve(element.target)
    if not at then return element.content end
    element.target = at
    return element
end

-- Browsers break a line after any hyphen. In code it is a part of the word: of
-- an option, or of a file's name, which may be broken behind a slash.
local function unbroken(element)
    if not html or not element.text:find('%-') then return nil end
    local text = escape(element.text):gsub('%S+', function(word)
        local pattern = #word > 32 and '[^/]+/?' or '.+'
        return (word:gsub(pattern, function(part)
            return '<span class="together">' .. part .. '</span>' ..
                (part:find('/$') and '<wbr/>' or '')
        end))
    end)
    return pandoc.RawInline('html', '<code>' .. text .. '</code>')
end

-- `name()` links to the listing that defines it.
local function code(element)
    local name = element.text:match('^([%a_][%w_]*)%(%)$')
    local entry = name and meaning(name, nil)
    if not entry then return unbroken(element) end
    return pandoc.Link(element, definition_address(name, entry), '',
                       {class = 'code'})
end

local function image(element)
    local path = normal(directory(here.source) .. '/' .. element.src)
    if element.src:find('^%a+:') then
        complain('wanted a picture of our own, found ' .. element.src)
    elseif not exists(path) then
        complain('wanted the picture ' .. element.src .. ', found none')
        return element.caption
    elseif mode == 'page' then
        note('pictures.list', path)
        element.src = 'pictures/' .. path:gsub('/', '-')
    elseif latex and path:find('%.svg$') then
        note('pictures.list', path)
        element.src = work .. '/pictures/' ..
            path:gsub('/', '-'):gsub('%.svg$', '.pdf')
    else
        element.src = path
    end
    return element
end

-- A formula as MathML.
local function formula(element)
    if not html then return nil end
    local text = mathml(element)
    if not text then
        complain('wanted a formula that MathML can say, found ' .. element.text)
        return nil
    end
    -- A long one within a line may have to scroll on a narrow page.
    if element.mathtype == 'InlineMath' and #element.text > 45 then
        text = '<span class="long">' .. text .. '</span>'
    end
    return pandoc.RawInline('html', text)
end

local function is_formula(inline)
    return inline.t == 'RawInline' and (inline.text:find('^<math') or
        inline.text:find('^<span class="long">'))
end

-- A formula keeps the bracket before it and the full stop after it on its line.
local function keep_together(inlines)
    if not html then return nil end
    for i, one in ipairs(inlines) do
        if is_formula(one) then
            local before, after = inlines[i - 1], inlines[i + 1]
            local open = before and before.t == 'Str' and
                before.text:match('[(%[]+$') or ''
            local close = after and after.t == 'Str' and
                after.text:match('^[.,;:?!)%]]+') or ''
            if open ~= '' then before.text = before.text:sub(1, -1 - #open) end
            if close ~= '' then after.text = after.text:sub(1 + #close) end
            if open .. close ~= '' then
                one.text = '<span class="together">' .. open .. one.text ..
                    close .. '</span>'
            end
        end
    end
    return inlines
end

-- HTML that GitHub reads and the book does not: comments.
local function raw_inline(element)
    if element.text:find('^<!%-%-') then return {} end
end

-- In a text: an option or a date stays on its line, a negative number has a
-- minus, and the PDF takes signs that its font lacks from another.
local function signs(element)
    if element.text:find('^%-%a[%w=.,:;-]*$') or
        element.text:find('^%d%d%d%d%-%d%d%-%d%d[.,:;)]*$') then
        return html and pandoc.RawInline('html',
            '<span class="together">' .. element.text .. '</span>') or
            latex and pandoc.RawInline('latex',
                                       '\\mbox{' .. element.text .. '}')
    elseif element.text:find('^%(?%-%d') then
        element.text = element.text:gsub('%-', '\u{2212}', 1)
        if not latex then return element end
    end
    if not latex or not element.text:find('[\xC9-\xF4]') then return nil end
    local inlines, plain = pandoc.Inlines {}, ''
    local function flush()
        if plain ~= '' then inlines:insert(pandoc.Str(plain)) end
        plain = ''
    end
    for _, code in utf8.codes(element.text) do
        local sign = utf8.char(code)
        if code < 0x250 or code >= 0x2010 and code <= 0x2026 then
            plain = plain .. sign
        else
            flush()
            inlines:insert(pandoc.RawInline('latex',
                                            '{\\signfont ' .. sign .. '}'))
        end
    end
    flush()
    return inlines
end

local inline_filter = {Str = signs, Link = link, Code = code, Image = image,
                       Math = formula, RawInline = raw_inline}

-- A note beside the text. Without room beside it, a tap on its number opens it.
local function side_note(element)
    here.notes = (here.notes or 0) + 1
    local n = here.notes
    local inlines = pandoc.Inlines {
        pandoc.RawInline('html', ('<span class="note"><label for="note-%d">' ..
            '%d</label><input type="checkbox" id="note-%d" ' ..
            'aria-label="Show note %d"><span class="aside" role="note">' ..
            '<span class="number">%d</span> '):format(n, n, n, n, n))}
    inlines:extend(pandoc.utils.blocks_to_inlines(element.content))
    inlines:insert(pandoc.RawInline('html', '</span></span>'))
    return inlines
end

-- --- Blocks ------------------------------------------------------------------

local function raw(text)
    return pandoc.RawBlock(latex and 'latex' or 'html', text)
end

local function unique(id)
    here.ids = here.ids or {}
    local n = here.ids[id]
    here.ids[id] = (n or 0) + 1
    return n and id .. '-' .. n or id
end

local function latex_anchor(id)
    return ('\\phantomsection\\hypertarget{%s}{}\\label{%s}'):format(id, id)
end

-- The text of a caption: its paragraphs, without the emphasis that sets them
-- apart on GitHub.
local function caption_of(blocks)
    local inlines = pandoc.Inlines {}
    for _, block in ipairs(blocks) do
        local content = block.content
        if #content == 1 and content[1].t == 'Emph' then
            content = content[1].content
        end
        if #inlines > 0 then inlines:insert(pandoc.Space()) end
        inlines:extend(content)
    end
    return inlines
end

-- A listing or an output, from what stood between its two comments.
local function code_figure(kind, what, inside)
    local captions, codes = {}, {}
    for _, block in ipairs(inside) do
        if block.t == 'CodeBlock' then codes[#codes + 1] = block
        elseif block.t == 'Para' or block.t == 'Plain' then
            captions[#captions + 1] = block
        end
    end
    if #codes == 0 then
        complain(('the %s of %s is not woven yet'):format(kind, what))
    end
    local id = own_id(here.page, unique(id_of(kind, what)))
    local file = kind == 'listing' and what:match('^%S+') or nil
    if file and mode == 'outline' then
        local names = {}
        for _, block in ipairs(codes) do
            for name in block.text:gmatch('[%a_][%w_]*') do
                if definitions[name] then names[#names + 1] = name end
            end
        end
        here.quoted = here.quoted or {}
        here.quoted[id] = {file, table.concat(names, ' ')}
    end
    local caption = caption_of(captions)
    local blocks = pandoc.Blocks {}
    if latex then
        -- Short ones stay on one page.
        local lines = codes[1] and #c.lines(codes[1].text) or 0
        blocks:insert(raw(('\\codeneeds{%d}%s'):format(
            lines <= 26 and lines or 8, latex_anchor(id))))
        if #caption > 0 then
            caption:insert(1, pandoc.RawInline('latex', '\\codecaption{'))
            caption:insert(pandoc.RawInline('latex', '}'))
            blocks:insert(pandoc.Plain(caption))
        end
    else
        blocks:insert(raw(('<figure class="%s" id="%s">'):format(kind, id)))
        if #caption > 0 then
            blocks:insert(raw('<figcaption>'))
            blocks:insert(pandoc.Plain(caption))
            blocks:insert(raw('</figcaption>'))
        end
    end
    for _, block in ipairs(codes) do
        blocks:insert(code_block(block, kind, file, id))
    end
    if not latex then blocks:insert(raw('</figure>')) end
    return blocks
end

-- A picture with its caption.
local function picture(block, caption)
    local content = caption_of {caption}
    -- "Figure 3.1." gets an id, and looks that set it apart.
    local id
    if #content > 2 and content[1].text == 'Figure' and content[3].text then
        id = own_id(here.page, unique(
            'figure-' .. content[3].text:gsub('%.$', ''):gsub('%.', '-')))
        local label = pandoc.Span({content[1], pandoc.Space(), content[3]},
                                  {class = 'label'})
        if latex then label = pandoc.Strong(label.content) end
        content:remove(1)
        content:remove(1)
        content[1] = label
    end
    local blocks = pandoc.Blocks {}
    if latex then
        blocks:insert(raw('\\begin{figure}[htbp]\n\\centering' ..
            (id and latex_anchor(id) or '')))
        local one = block.content[1]
        one.attributes.width = '100%'
        blocks:insert(pandoc.Plain {one})
        content:insert(1, pandoc.RawInline('latex', '\\caption*{'))
        content:insert(pandoc.RawInline('latex', '}'))
        blocks:insert(pandoc.Plain(content))
        blocks:insert(raw('\\end{figure}'))
    else
        blocks:insert(raw(('<figure class="picture"%s>'):format(
            id and (' id="%s"'):format(id) or '')))
        blocks:insert(pandoc.Plain(block.content))
        blocks:insert(raw('<figcaption>'))
        blocks:insert(pandoc.Plain(content))
        blocks:insert(raw('</figcaption>\n</figure>'))
    end
    return blocks
end

local function is_picture(block)
    return block and block.t == 'Para' and #block.content == 1 and
        block.content[1].t == 'Image'
end

local function is_caption(block)
    return block and block.t == 'Para' and #block.content == 1 and
        block.content[1].t == 'Emph'
end

-- Keeps what scrolls sideways from moving the page.
local function scrolling(class, block)
    if not html then return {block} end
    return {raw(('<div class="%s" tabindex="0">'):format(class)), block,
            raw('</div>')}
end

-- Browsers make columns as wide as what is in them. TeX must be told where that
-- is wider than the page: short columns keep their width, long ones share the
-- rest.
local function column_widths(block)
    block.colspecs = block.colspecs:map(function(spec) return {spec[1]} end)
    if not latex then return block end
    -- Of every column, the widest cell and the widest word; code is wider.
    local widest, words = {}, {}
    local function measure(row)
        for i, cell in ipairs(row.cells) do
            local wider = 1
            pandoc.Blocks(cell.contents):walk {
                Code = function() wider = 1.2 end}
            local text = stringify(cell.contents)
            widest[i] = math.max(widest[i] or 4, wider * #text)
            for word in text:gmatch('%S+') do
                words[i] = math.max(words[i] or 4, wider * #word)
            end
        end
    end
    for _, row in ipairs(block.head.rows) do measure(row) end
    for _, body in ipairs(block.bodies) do
        for _, row in ipairs(body.body) do measure(row) end
    end
    local LINE, LONG = 80, 48
    local total, long, left = 0, 0, LINE
    for i, width in ipairs(widest) do
        total = total + width + 2
        if width <= math.max(words[i], 14) then left = left - width - 2
        else long = long + math.min(width, LONG) end
    end
    if total <= LINE then return block end
    local shares, sum = {}, 0
    for i, width in ipairs(widest) do
        shares[i] = width + 2
        if width > math.max(words[i], 14) then
            shares[i] = math.max(words[i] + 2,
                                 math.min(width, LONG) / long * left)
        end
        sum = sum + shares[i]
    end
    for i, share in ipairs(shares) do
        block.colspecs[i] = {block.colspecs[i][1], share / math.max(sum, LINE)}
    end
    if sum <= LINE then return block end
    -- Long names may break where their parts meet.
    return block:walk {Code = function(code)
        local text = code.text:gsub('[^%w%s]', function(sign)
            return ('\\char%d{}'):format(sign:byte()) ..
                (sign == '_' and '\\allowbreak{}' or '')
        end)
        return pandoc.RawInline('latex', '\\texttt{' .. text .. '}')
    end}
end

local function blocks_of_list(blocks)
    local result = pandoc.Blocks {}
    local i = 1
    while i <= #blocks do
        local block = blocks[i]
        local comment = block.t == 'RawBlock' and
            block.text:match('^%s*<!%-%-%s*(.-)%s*%-%->%s*$')
        local kind, what
        if comment then
            kind, what = comment:match('^(%a+):%s*(.*)$')
        end
        if kind == 'listing' or kind == 'output' then
            local inside = {}
            i = i + 1
            while blocks[i] and not (blocks[i].t == 'RawBlock' and
                blocks[i].text:find('<!%-%-%s*/' .. kind)) do
                inside[#inside + 1] = blocks[i]
                i = i + 1
            end
            if not blocks[i] then
                complain(('wanted the end of the %s of %s, found none')
                    :format(kind, what))
            end
            result:extend(code_figure(kind, what, inside))
        elseif block.t == 'RawBlock' and block.text:find('^%s*<!%-%-') then
            if block.text:find('<!%-%-%s*/?value') then
                complain('a value stands at the start of a line: ' ..
                    block.text:sub(1, 60):gsub('\n', ' '))
            end
        elseif block.t == 'CodeBlock' and block.classes[1] == 'math' then
            local math = pandoc.Math('DisplayMath', block.text)
            local before = result[#result]
            if html then
                result:extend(scrolling('formula', pandoc.Plain {
                    formula(math) or math}))
            elseif latex and before and before.t == 'Para' then
                -- TeX wants a formula within its paragraph.
                before.content:insert(pandoc.SoftBreak())
                before.content:insert(math)
            else
                result:insert(pandoc.Para {math})
            end
        elseif block.t == 'CodeBlock' then
            result:insert(code_block(block))
        elseif block.t == 'Table' then
            block = column_widths(block)
            result:extend(scrolling('table', block))
        elseif is_picture(block) and is_caption(blocks[i + 1]) then
            result:extend(picture(block, blocks[i + 1]))
            i = i + 1
        else
            result:insert(block)
        end
        i = i + 1
    end
    return result
end

-- A chapter's last line leads to its neighbours: the book has its own.
local function without_neighbours(blocks)
    local last = blocks[#blocks]
    if not last or last.t ~= 'Para' then return blocks end
    local links, words = 0, 0
    for _, inline in ipairs(last.content) do
        if inline.t == 'Link' then links = links + 1
        elseif inline.t == 'Str' then words = words + 1
        end
    end
    if links > 0 and words <= 2 * links then
        blocks:remove(#blocks)
        local before = blocks[#blocks]
        if before and before.t == 'HorizontalRule' then
            blocks:remove(#blocks)
        end
    end
    return blocks
end

-- --- Pages -------------------------------------------------------------------

-- pandoc 2 drops the lines of a note that are not indented by four.
local function indent_notes(text)
    local lines, inside, fenced = {}, false, false
    for _, line in ipairs(c.lines(text)) do
        if line:find('^```') then fenced = not fenced end
        if not fenced and line:find('^%[%^[^%]]+%]:') then
            inside = true
        elseif inside and line:find('^%s*$') then
            inside = false
        elseif inside then
            line = line:gsub('^%s*', '    ')
        end
        lines[#lines + 1] = line
    end
    return table.concat(lines, '\n') .. '\n'
end

local function parse(source)
    local text = read(source)
    if not text then return pandoc.Blocks {pandoc.Header(1, 'Preface')} end
    return pandoc.Blocks(pandoc.read(indent_notes(text), MARKDOWN).blocks)
end

-- What all sources go through.
local function finish(blocks)
    blocks = blocks:walk(inline_filter)
    blocks = blocks:walk {Inlines = keep_together}
    blocks = blocks:walk {Blocks = blocks_of_list}
    if html and mode ~= 'merged' then
        blocks = blocks:walk {Note = side_note}
    end
    return blocks
end

-- "3. Discretization" with its number apart, for the looks.
local function number_apart(header)
    local first = header.content[1]
    if header.level == 1 and html and first and first.t == 'Str' and
        first.text:find('^%d+%.$') then
        header.content[1] = pandoc.Span({first}, {class = 'number'})
    end
end

-- Ids of headings, different from the others of this page.
local function name_headings(blocks, shift)
    return blocks:walk {Header = function(header)
        header.level = header.level + shift
        local id = header.identifier
        if id ~= '' then header.identifier = own_id(here.page, unique(id)) end
        number_apart(header)
        return header
    end}
end

local function answers(page)
    local title = 'Answers to the exercises'
    local blocks = pandoc.Blocks {
        pandoc.Header(1, title, {id = own_id(page, 'answers')})}
    for source in page.source:gmatch('%S+') do
        here.source = source
        local part = parse(source)
        local first = part[1]
        local id = own_id(page, answers_id(source))
        if first and first.t == 'Header' and first.level == 1 then
            first.identifier = ''
            part:remove(1)
        else
            first = pandoc.Header(1, 'Chapter ' ..
                tonumber(source:match('chapters/(%d+)') or 0))
        end
        part = name_headings(part, 1)
        blocks:insert(pandoc.Header(2, first.content, {id = id}))
        blocks:extend(finish(part))
    end
    return blocks
end

local kinds = {['function'] = 'function', struct = 'struct', enum = 'enum',
               typedef = 'type', macro = 'macro', variable = 'variable'}

-- What a page is called in a sentence.
local function place_of(page)
    if page.kind == 'chapter' then
        return 'chapter ' .. tonumber(page.slug:match('^%d+'))
    end
    local title = page.title or page.slug
    -- "Appendix B. Files" is known by its letter; the others by their title.
    return ((title:match('^Appendix %u') or title):gsub('^%u', string.lower))
end

-- The index of what src/ and the programs define, by name.
local function index(page)
    local entries, seen = {}, {}
    for name, list in pairs(definitions) do
        for _, entry in ipairs(list) do
            local target = page_of[entry.page]
            local key = name .. ' ' .. entry.file
            if kinds[entry.kind] and target and not seen[key] then
                seen[key] = true
                entries[#entries + 1] = {name = name, entry = entry,
                                         page = target}
            end
        end
    end
    table.sort(entries, function(a, b)
        local x, y = a.name:lower(), b.name:lower()
        if x ~= y then return x < y end
        if a.name ~= b.name then return a.name < b.name end
        return a.entry.file < b.entry.file
    end)
    local blocks = pandoc.Blocks {
        pandoc.Header(1, 'Index of functions', {id = own_id(page, 'index')}),
        pandoc.Para(pandoc.Inlines(
            'Every function, type, macro and variable that the book quotes, ' ..
            'and the page that quotes it whole.'))}
    -- A line of letters to jump by.
    local letters = pandoc.Inlines {}
    for _, e in ipairs(entries) do
        e.letter = e.name:gsub('^_+', ''):sub(1, 1):upper()
        local link = pandoc.Link(e.letter,
                                 address(page, 'letter-' .. e.letter:lower()))
        if #letters == 0 or letters[#letters].content ~= link.content then
            if #letters > 0 then letters:insert(pandoc.Space()) end
            letters:insert(link)
        end
    end
    if #letters > 0 then blocks:insert(pandoc.Para(letters)) end
    if latex then
        blocks:insert(raw('\\begin{multicols}{2}\\small\\raggedright'))
    end
    local letter, items = nil, {}
    local function flush()
        if #items == 0 then return end
        if latex then
            for _, item in ipairs(items) do
                item[1].content:insert(
                    1, pandoc.RawInline('latex', '\\indexentry '))
                blocks:insert(pandoc.Para(item[1].content))
            end
            items = {}
            return
        end
        if html then blocks:insert(raw('<div class="index">')) end
        blocks:insert(pandoc.BulletList(items))
        if html then blocks:insert(raw('</div>')) end
        items = {}
    end
    for _, e in ipairs(entries) do
        if e.letter ~= letter then
            flush()
            letter = e.letter
            local id = own_id(page, 'letter-' .. letter:lower())
            blocks:insert(latex and
                raw(('\\indexletter{%s%s}'):format(latex_anchor(id), letter)) or
                pandoc.Header(2, letter, {id = id,
                                          class = 'unnumbered unlisted'}))
        end
        local name = e.entry.kind == 'function' and e.name .. '()' or e.name
        local inlines = pandoc.Inlines {
            pandoc.Link(pandoc.Code(name),
                        definition_address(e.name, e.entry), '',
                        {class = 'code'}), pandoc.Space()}
        inlines:insert(pandoc.Span(
            (e.entry.kind == 'function' and '' or
             kinds[e.entry.kind] .. ', ') ..
            e.entry.file .. ', ' .. place_of(e.page), {class = 'where'}))
        items[#items + 1] = {pandoc.Plain(inlines)}
    end
    flush()
    if latex then blocks:insert(raw('\\end{multicols}')) end
    if #entries == 0 then
        complain('wanted definitions, found none: run make weave first')
    end
    return blocks
end

local function blocks_of_page(page)
    here = {page = page, slug = page.slug, source = page.source}
    if page.kind == 'answers' then return answers(page) end
    if page.kind == 'index' then return index(page) end
    if page.kind == 'references' then
        return pandoc.Blocks {
            pandoc.Header(1, 'References', {id = own_id(page, 'references')}),
            pandoc.Div({}, {id = 'refs'})}
    end
    local blocks = without_neighbours(parse(page.source))
    return finish(name_headings(blocks, 0))
end

-- --- The outline -------------------------------------------------------------

-- A heading as it stands in a table of contents: no notes, no links.
local function bare(inlines)
    return inlines:walk {
        Note = function() return {} end,
        Link = function(element) return element.content end,
        RawInline = function() return {} end,
    }
end

-- Inlines as HTML.
local function to_html(inlines)
    local text = pandoc.write(pandoc.Pandoc {pandoc.Plain(inlines)}, 'html5')
    return (text:gsub('%s+', ' '))
end

local function outline()
    for _, page in ipairs(pages) do
        local blocks = blocks_of_page(page)
        for id in pairs(here.ids or {}) do
            local quoted = (here.quoted or {})[id] or {'', ''}
            note('ids.tsv', table.concat({page.slug, id, quoted[1], quoted[2]},
                                         '\t'))
        end
        for _, block in ipairs(blocks) do
            if block.t == 'Header' and block.level <= 2 and
                not block.classes:includes('unlisted') then
                local inlines = bare(block.content)
                if block.level == 1 then
                    inlines = pandoc.Inlines(inlines):walk {
                        Span = function(span) return span.content end}
                end
                note('outline.tsv', table.concat({
                    page.slug, block.level, block.identifier,
                    to_html(inlines), stringify(inlines)}, '\t'))
            end
        end
    end
end

local function load_outline()
    for _, row in ipairs(rows(work .. '/ids.tsv')) do
        local page = pages[row[1]]
        page.ids = page.ids or {}
        page.ids[row[2]] = {file = row[3], names = ' ' .. row[4] .. ' '}
    end
    for _, row in ipairs(rows(work .. '/outline.tsv')) do
        local page = pages[row[1]]
        local entry = {id = row[3], html = row[4], text = row[5]}
        page.sections = page.sections or {}
        if row[2] == '1' and not page.title then
            page.title, page.title_html = entry.text, entry.html
        elseif row[2] == '2' then
            table.insert(page.sections, entry)
        end
    end
end

-- --- What surrounds a page of the site ---------------------------------------

-- "3. Discretization" with its number apart.
local function numbered_title(page)
    local number, rest = page.title_html:match('^(%d+)%.%s*(.*)$')
    if not number then return page.title_html end
    return ('<span class="number">%s</span> %s'):format(number, rest)
end

local groups = {
    {kinds = {preface = true}},
    {kinds = {chapter = true}, title = 'Chapters'},
    {kinds = {appendix = true, answers = true, index = true,
              references = true}, title = 'Appendices'},
}

-- The book's contents: the titles of all pages but those of the kind `without`,
-- and the sections of those that `open` says.
local function contents(open, heading, without)
    local lines = {}
    local function add(...) lines[#lines + 1] = table.concat {...} end
    for _, group in ipairs(groups) do
        local listed = {}
        for _, page in ipairs(pages) do
            if group.kinds[page.kind] and page.title and
                page.kind ~= without then
                listed[#listed + 1] = page
            end
        end
        if #listed > 0 then
            if group.title then
                add('<', heading, ' class="group">', group.title, '</',
                    heading, '>')
            end
            add('<ul>')
            for _, page in ipairs(listed) do
                local current = page == here.page
                add('<li><a href="', here.up or '', page.slug, '.html"',
                    current and ' aria-current="page"' or '', '>',
                    numbered_title(page), '</a>')
                if open(page) and #page.sections > 0 then
                    add('<ul>')
                    for _, section in ipairs(page.sections) do
                        add('<li><a href="',
                            current and '' or page.slug .. '.html', '#',
                            section.id, '">', section.html, '</a></li>')
                    end
                    add('</ul>')
                end
                add('</li>')
            end
            add('</ul>')
        end
    end
    return table.concat(lines, '\n')
end

local function neighbour(page)
    if not page or not page.title then return nil end
    return pandoc.MetaMap {
        href = pandoc.MetaString(page.slug .. '.html'),
        title = pandoc.MetaBlocks {raw(numbered_title(page))}}
end

local function surround(meta)
    meta.sidebar = pandoc.MetaBlocks {raw(contents(function(page)
        return page == here.page and page.kind ~= 'preface'
    end, 'p'))}
    meta.root = pandoc.MetaString(here.up or '')
    local page = here.page
    if not page then return end
    meta.previous = neighbour(pages[page.number - 1])
    meta.next = neighbour(pages[page.number + 1])
    meta.pagetitle = pandoc.MetaString(page.title)
    meta[page.kind] = true
    if page.kind == 'preface' then meta.home = true end
end

-- The table of contents of the first page, before its first section.
local function insert_contents(blocks)
    local at = #blocks + 1
    for i, block in ipairs(blocks) do
        if block.t == 'Header' and block.level == 2 then
            at = i
            break
        end
    end
    blocks:insert(at, raw('<section class="contents" ' ..
        'aria-labelledby="contents-of-the-book">\n' ..
        '<h2 id="contents-of-the-book">Contents</h2>\n' ..
        contents(function(page) return page.kind == 'chapter' end, 'h3',
                 'preface') ..
        '\n</section>'))
end

-- --- A file of the repository ------------------------------------------------

-- The pages that quote a file's definitions, in order.
local function quoting_pages(path)
    local quoting, list = {}, {}
    for _, entries in pairs(definitions) do
        for _, entry in ipairs(entries) do
            if entry.file == path and page_of[entry.page] then
                quoting[page_of[entry.page]] = true
            end
        end
    end
    for _, page in ipairs(pages) do
        if quoting[page] then list[#list + 1] = page end
    end
    return list
end

local function file_page(meta, path)
    here = {source = path, slug = path}
    here.up = ('../'):rep(select(2, path:gsub('/', '')) + 1)
    local text = read(path)
    local blocks = pandoc.Blocks {
        pandoc.Header(1, {pandoc.Code(path)}, {id = 'file'})}
    local quoted = quoting_pages(path)
    if text and #quoted > 0 then
        local inlines = pandoc.Inlines 'Explained in '
        for i, page in ipairs(quoted) do
            if i > 1 then inlines:extend(pandoc.Inlines(i == #quoted and
                ' and ' or ', ')) end
            inlines:insert(pandoc.Link(place_of(page), address(page, '')))
        end
        inlines:insert(pandoc.Str '.')
        blocks:insert(pandoc.Para(inlines))
    end
    if text then
        local lines = code_lines(text, path:find('%.[ch]$') ~= nil, path, '',
                                 true)
        blocks:insert(raw('<figure class="listing file">' ..
            '<pre tabindex="0"><code>' .. lines .. '</code></pre></figure>'))
    else
        local list = {}
        for name in (read(work .. '/listing') or ''):gmatch('[^\n]+') do
            list[#list + 1] = {pandoc.Plain {pandoc.Code(name)}}
        end
        blocks:insert(pandoc.Para('The files of this folder:'))
        blocks:insert(pandoc.BulletList(list))
    end
    surround(meta)
    meta.pagetitle = pandoc.MetaString(path)
    meta.file = true
    return blocks
end

-- --- The filter --------------------------------------------------------------

function Pandoc(doc)
    local meta = doc.meta
    mode, work = stringify(meta.mode), stringify(meta.work)
    load_tables(meta)
    if mode == 'outline' then
        outline()
        return pandoc.Pandoc({}, meta)
    end
    load_outline()
    local blocks
    if mode == 'page' then
        local page = pages[stringify(meta.slug)]
        blocks = blocks_of_page(page)
        if page.kind == 'preface' then insert_contents(blocks) end
        surround(meta)
    elseif mode == 'file' then
        blocks = file_page(meta, stringify(meta.slug))
    elseif mode == 'merged' then
        blocks = pandoc.Blocks {}
        for _, page in ipairs(pages) do
            local part = blocks_of_page(page)
            if latex then
                part:insert(2, raw(latex_anchor(own_id(page, ''))))
            end
            blocks:extend(part)
        end
    end
    if meta.bibliography then
        meta.nocite = pandoc.MetaInlines {pandoc.Cite({pandoc.Str('@*')}, {
            pandoc.Citation('*', 'AuthorInText')})}
    end
    return pandoc.Pandoc(blocks, meta)
end
