-- After citeproc: gives the list of references what its style leaves out, the
-- note of each entry, as a link where it names a paper on arXiv; and restores
-- the capitals that braces protect.
local notes, protected = {}, {}

local function read_notes(path)
    local key
    for line in io.lines(path) do
        key = line:match('^@%a+{([^,%s]+)') or key
        local note = line:match('^%s*note%s*=%s*{(.-)},?%s*$')
        if note then notes[key] = note end
        if line:find('^%s*title%s*=') then
            local inside = line:match('=%s*{(.*)}')
            for word in inside:gmatch('{([^{}]+)}') do
                protected[word:lower()] = word
            end
        end
    end
end

local function entry(div)
    local note = notes[div.identifier:match('^ref%-(.*)$')]
    local paragraph = div.content[#div.content]
    local said = pandoc.utils.stringify(div)
    if note and paragraph and not said:find(note, 1, true) then
        local inlines = pandoc.Inlines {pandoc.Space()}
        local number = note:match('^arXiv:([%d.]+)')
        if number then
            inlines:insert(pandoc.Link(note,
                                       'https://arxiv.org/abs/' .. number))
        else
            inlines:extend(pandoc.read(note, 'latex').blocks[1].content)
        end
        inlines:insert(pandoc.Str '.')
        paragraph.content:extend(inlines)
    end
    div = div:walk {Str = function(str)
        local word = protected[str.text:lower()]
        return word and pandoc.Str(word) or nil
    end}
    if not FORMAT:find('latex') then return div end
    -- Both the old and the new way in which pandoc links to places.
    local id = div.identifier
    local content = div.content[#div.content].content
    content:insert(1, pandoc.RawInline('latex',
        ('\\phantomsection\\hypertarget{%s}{}\\label{%s}\\hangindent=1.5em '):
        format(id, id)))
    return pandoc.Para(content)
end

function Pandoc(doc)
    read_notes(pandoc.utils.stringify(doc.meta.bibliography))
    return doc:walk {Div = function(div)
        if div.identifier ~= 'refs' then return nil end
        div.content = div.content:walk {Div = function(one)
            if one.classes:includes('csl-entry') then return entry(one) end
        end}
        if FORMAT:find('latex') then return div.content end
        return div
    end}
end
